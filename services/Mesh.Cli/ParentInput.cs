namespace Mesh.Cli;

/// <summary>Tells when whoever started this program is gone, for programs that run meshes: MESH_PARENT=stdin, and the other end of the standard input held open.</summary>
internal static class ParentInput
{
    public static void Watch(Action gone)
    {
        if (Environment.GetEnvironmentVariable("MESH_PARENT") != "stdin") return;
        var thread = new Thread(() =>
        {
            using var input = Console.OpenStandardInput();
            var buffer = new byte[256];
            while (input.Read(buffer) > 0)
            {
            }
            gone();
        })
        {
            IsBackground = true,
            Name = "parent watch",
        };
        thread.Start();
    }
}
