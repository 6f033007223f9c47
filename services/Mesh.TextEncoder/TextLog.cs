namespace Mesh.TextEncoder;

internal static partial class TextLog
{
    [LoggerMessage(3001, LogLevel.Warning, "The LoRA {Lora} cannot be used: {Why}")]
    public static partial void BadLora(ILogger log, string lora, string why);
}
