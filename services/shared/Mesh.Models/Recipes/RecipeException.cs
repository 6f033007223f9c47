namespace Mesh.Models.Recipes;

/// <summary>How a checkpoint is stepped is not known, or a description of a model is wrong. The message says what line would help.</summary>
public sealed class RecipeException : Exception
{
    public RecipeException()
    {
    }

    public RecipeException(string message)
        : base(message)
    {
    }

    public RecipeException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
