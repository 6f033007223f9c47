using System.Globalization;
using System.Text;

namespace Mesh.Hosting.Stages;

/// <summary>
/// Models that lie in files. What the files say is read again only when one of them has changed, by size or time; a load during which one
/// changes fails.
/// </summary>
/// <typeparam name="TModel">What is held in memory.</typeparam>
/// <param name="ids">What is configured.</param>
/// <param name="defaultId">What an empty id means; null where nothing is configured.</param>
/// <param name="installHint">What an operator should do where nothing is configured.</param>
public abstract class FileModelSource<TModel>(IEnumerable<string> ids, string? defaultId, string installHint) : IModelSource<TModel>
    where TModel : class, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (string Stamp, InstalledModel Model)> _known = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public IReadOnlyList<string> Ids { get; } = [.. ids.Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public string? DefaultId => defaultId;

    /// <inheritdoc/>
    public string InstallHint => installHint;

    /// <inheritdoc/>
    public virtual bool Knows(string id) => Ids.Contains(id, StringComparer.Ordinal);

    /// <inheritdoc/>
    public InstalledModel Examine(string id)
    {
        var stamp = StampOf(id);
        lock (_gate)
        {
            if (_known.TryGetValue(id, out var known) && known.Stamp == stamp) return known.Model;
        }
        var model = Read(id);
        lock (_gate) _known[id] = (stamp, model);
        return model;
    }

    /// <inheritdoc/>
    public TModel Load(InstalledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var loaded = LoadFiles(model);
        if (ReferenceEquals(Examine(model.Id), model)) return loaded;
        loaded.Dispose();
        throw new IOException("its files changed while they were read");
    }

    /// <summary>The folder or file that must be there for the model to be installed.</summary>
    protected abstract string RootOf(string id);

    /// <summary>Other folders and files that the model is made of; any may be missing. <see cref="RootOf"/> is there.</summary>
    protected abstract IEnumerable<string> OthersOf(string id);

    /// <summary>Reads what the files say, without weights.</summary>
    protected abstract InstalledModel Read(string id);

    /// <summary>Loads the weights.</summary>
    protected abstract TModel LoadFiles(InstalledModel model);

    /// <summary>Sizes and times of every file of a model.</summary>
    private string StampOf(string id)
    {
        var root = Path.GetFullPath(RootOf(id));
        if (!Path.Exists(root)) throw StageFaults.Missing(id, root);
        var stamp = new StringBuilder();
        foreach (var path in OthersOf(id).Select(Path.GetFullPath).Prepend(root).Distinct(StringComparer.Ordinal))
        {
            if (Directory.Exists(path))
            {
                foreach (var file in new DirectoryInfo(path).EnumerateFiles("*", SearchOption.AllDirectories).OrderBy(x => x.FullName, StringComparer.Ordinal)) Add(stamp, file);
            }
            else
            {
                Add(stamp, new FileInfo(path));
            }
        }
        return stamp.ToString();
    }

    private static void Add(StringBuilder stamp, FileInfo file)
    {
        if (file.Exists) stamp.Append(CultureInfo.InvariantCulture, $"{file.FullName}\n{file.Length} {file.LastWriteTimeUtc.Ticks}\n");
        else stamp.Append(CultureInfo.InvariantCulture, $"{file.FullName}\nnone\n");
    }
}
