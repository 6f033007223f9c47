using Mesh.Models.Hub;
using Mesh.Testing;

namespace Mesh.Models.Tests.Hub;

public sealed class HubPullTests : IAsyncLifetime, IDisposable
{
    private const string Weights = "unet/diffusion_pytorch_model.safetensors";

    private readonly TempFolder _folder = new();
    private readonly byte[] _large = FakeHub.Random(300_000, 1);
    private FakeHub _hub = null!;

    public async Task InitializeAsync()
    {
        _hub = await FakeHub.StartAsync().DefaultTimeout();
        _hub.Files["model_index.json"] = """{"_class_name":"X"}"""u8.ToArray();
        _hub.Files["unet/config.json"] = "{}"u8.ToArray();
        _hub.Files["unet/empty.txt"] = [];
        _hub.Files[Weights] = _large;
    }

    public async Task DisposeAsync() => await _hub.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Pull_Folder_StandardCacheWithRightContents()
    {
        var snapshot = await PullAsync();
        snapshot.Commit.ShouldBe(FakeHub.Commit);
        string root = Path.Combine(_folder.File("hub"), "models--org--tiny");
        snapshot.Folder.ShouldBe(Path.Combine(root, "snapshots", FakeHub.Commit));
        foreach (var (path, content) in _hub.Files)
        {
            string place = Path.Combine(snapshot.Folder, path);
            (await File.ReadAllBytesAsync(place).DefaultTimeout()).ShouldBe(content);
            new FileInfo(place).LinkTarget.ShouldBe(Path.GetRelativePath(Path.GetDirectoryName(place)!, Path.Combine(root, "blobs", FakeHub.Hash(content))));
        }
        (await File.ReadAllTextAsync(Path.Combine(root, "refs", "main")).DefaultTimeout()).ShouldBe(FakeHub.Commit);
        Directory.GetFiles(Path.Combine(root, "blobs")).Length.ShouldBe(4);
    }

    [Fact]
    public async Task Pull_WithToken_OnlyTheHubSeesIt()
    {
        await PullAsync();
        _hub.Requests.Where(r => r.IsStore).ShouldNotBeEmpty();
        _hub.Requests.Where(r => r.IsStore).ShouldAllBe(r => r.Authorization == null);
        _hub.Requests.Where(r => !r.IsStore).ShouldAllBe(r => r.Authorization == "Bearer secret");
    }

    [Fact]
    public async Task Pull_Again_NothingIsFetched()
    {
        await PullAsync();
        int before = _hub.Requests.Count;
        await PullAsync();
        _hub.Requests.Skip(before).Select(r => r.Path).ShouldBe([$"/api/models/{FakeHub.Id}/revision/main", $"/api/models/{FakeHub.Id}/tree/{FakeHub.Commit}"]);
    }

    public static TheoryData<Trouble[]> Passing => new()
    {
        { [Trouble.DropHalfWay] },
        { [Trouble.EndHalfWay] },
        { [Trouble.DropHalfWay, Trouble.DropHalfWay, Trouble.EndHalfWay, Trouble.DropHalfWay, Trouble.DropHalfWay, Trouble.DropHalfWay] },
        { [Trouble.DropHalfWay, Trouble.IgnoreRange] },
        { [Trouble.DropHalfWay, Trouble.OtherRange] },
        { [Trouble.DropHalfWay, Trouble.OtherTotal] },
        { [Trouble.DropHalfWay, Trouble.RangeNotSatisfiable] },
        { [Trouble.Expired, Trouble.Expired] },
        { [Trouble.Unavailable, Trouble.TooMany, Trouble.RequestTimeout] },
        { [Trouble.DropHalfWay, Trouble.Expired, Trouble.DropHalfWay, Trouble.Unavailable] },
        { [Trouble.RedirectOnce] },
    };

    [Theory]
    [MemberData(nameof(Passing))]
    public async Task Pull_StoreFailsForAWhile_RightContentInTheEnd(Trouble[] troubles)
    {
        foreach (var trouble in troubles)
            _hub.StoreTroubles.Enqueue(trouble);
        var snapshot = await PullAsync();
        (await File.ReadAllBytesAsync(Path.Combine(snapshot.Folder, Weights)).DefaultTimeout()).ShouldBe(_large);
        _hub.StoreTroubles.ShouldBeEmpty();
    }

    [Fact]
    public async Task Pull_ConnectionDrops_OnlyTheRestIsAskedFor()
    {
        _hub.StoreTroubles.Enqueue(Trouble.DropHalfWay);
        await PullAsync();
        var ranges = _hub.Requests.Where(r => r.IsStore).Select(r => r.Range).ToList();
        ranges.Count.ShouldBe(2);
        ranges[0].ShouldBeNull();
        long.Parse(ranges[1]!["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, _large.Length / 2);
    }

    [Fact]
    public async Task Pull_AfterAnInterruptedRun_GoesOnWhereItStopped()
    {
        string partial = Partial();
        await File.WriteAllBytesAsync(partial, _large[..200_000]).DefaultTimeout();
        var snapshot = await PullAsync();
        _hub.Requests.Single(r => r.IsStore).Range.ShouldBe("bytes=200000-");
        (await File.ReadAllBytesAsync(Path.Combine(snapshot.Folder, Weights)).DefaultTimeout()).ShouldBe(_large);
        File.Exists(partial).ShouldBeFalse();
    }

    [Theory]
    [InlineData(200_000)]
    [InlineData(300_000)]
    [InlineData(300_001)]
    public async Task Pull_WrongBytesLeftByAnEarlierRun_FetchedAnew(int length)
    {
        await File.WriteAllBytesAsync(Partial(), FakeHub.Random(length, 99)).DefaultTimeout();
        var snapshot = await PullAsync();
        (await File.ReadAllBytesAsync(Path.Combine(snapshot.Folder, Weights)).DefaultTimeout()).ShouldBe(_large);
    }

    [Fact]
    public async Task Pull_CompletePartLeft_NotFetchedAgain()
    {
        await File.WriteAllBytesAsync(Partial(), _large).DefaultTimeout();
        await PullAsync();
        _hub.Requests.ShouldNotContain(r => r.IsStore);
    }

    [Theory]
    [InlineData(Trouble.OtherBytes)]
    [InlineData(Trouble.Longer)]
    [InlineData(Trouble.Shorter)]
    public async Task Pull_WrongContent_RefusedAndNothingLeft(Trouble trouble)
    {
        _hub.StoreTroubles.Enqueue(trouble);
        (await FaultAsync()).ShouldBe(HubFault.WrongContent);
        string blobs = Path.Combine(_folder.File("hub"), "models--org--tiny", "blobs");
        File.Exists(Path.Combine(blobs, FakeHub.Hash(_large))).ShouldBeFalse();
        Directory.GetFiles(blobs, "*.incomplete").Sum(f => new FileInfo(f).Length).ShouldBe(0);
        Directory.Exists(Path.Combine(_folder.File("hub"), "models--org--tiny", "refs")).ShouldBeFalse();
    }

    [Fact]
    public async Task Pull_SmallFileWithAnotherHash_Refused()
    {
        // The list gives git's name of other bytes of the same length.
        _hub.RawTree = $$"""[{"type":"file","path":"model_index.json","size":19,"oid":"{{FakeHub.Hash("0123456789012345678"u8.ToArray())}}"}]""";
        _hub.Announced["model_index.json"] = (null, FakeHub.Hash("0123456789012345678"u8.ToArray()));
        (await FaultAsync()).ShouldBe(HubFault.WrongContent);
    }

    [Fact]
    public async Task Pull_ListAndAnnouncementDisagree_Refused()
    {
        _hub.Announced[Weights] = (299_999, null);
        (await FaultAsync()).ShouldBe(HubFault.WrongContent);
        _hub.Announced[Weights] = (null, new string('0', 64));
        (await FaultAsync()).ShouldBe(HubFault.WrongContent);
        _hub.Announced[Weights] = (null, "no hash");
        (await FaultAsync()).ShouldBe(HubFault.Protocol);
        _hub.Announced.Clear();
        _hub.AnnouncedCommit = new string('f', 40);
        (await FaultAsync()).ShouldBe(HubFault.Protocol);
    }

    [Fact]
    public async Task Pull_StoreKeepsFailing_GivesUpAfterItsTries()
    {
        for (int i = 0; i < 20; i++)
            _hub.StoreTroubles.Enqueue(Trouble.Unavailable);
        (await FaultAsync()).ShouldBe(HubFault.Network);
        _hub.Requests.Count(r => r.IsStore).ShouldBe(5);
    }

    [Fact]
    public async Task Pull_StoreFallsSilent_TriedAgain()
    {
        _hub.StoreTroubles.Enqueue(Trouble.Silent);
        var snapshot = await PullAsync(_hub.Options(_folder) with { Patience = TimeSpan.FromMilliseconds(500) });
        (await File.ReadAllBytesAsync(Path.Combine(snapshot.Folder, Weights)).DefaultTimeout()).ShouldBe(_large);
    }

    [Fact]
    public async Task Pull_HubFailsForAWhile_Retried()
    {
        foreach (int status in (int[])[503, 429, 200, 500, 200, 502])
            _hub.HubTroubles.Enqueue(status);
        (await PullAsync()).Files.Count.ShouldBe(4);
    }

    [Theory]
    [InlineData(401, "RepoNotFound", HubFault.RepositoryNotFound)]
    [InlineData(401, null, HubFault.RepositoryNotFound)]
    [InlineData(404, "RevisionNotFound", HubFault.RevisionNotFound)]
    [InlineData(403, "GatedRepo", HubFault.Gated)]
    [InlineData(401, "GatedRepo", HubFault.Gated)]
    [InlineData(403, null, HubFault.Unauthorized)]
    [InlineData(404, "EntryNotFound", HubFault.EntryNotFound)]
    [InlineData(404, null, HubFault.EntryNotFound)]
    [InlineData(400, null, HubFault.Protocol)]
    public async Task Pull_Refused_FaultAndTheHubsOwnWords(int status, string? code, HubFault expected)
    {
        _hub.Refusal = (status, code, "the hub's own words");
        var fault = await Should.ThrowAsync<HubException>(() => PullAsync()).DefaultTimeout();
        fault.Fault.ShouldBe(expected);
        fault.Message.ShouldContain("the hub's own words");
        fault.Message.ShouldContain(FakeHub.Id);
    }

    [Fact]
    public async Task Pull_NoServer_NetworkFault()
    {
        var options = _hub.Options(_folder);
        await _hub.DisposeAsync();
        var fault = await Should.ThrowAsync<HubException>(() => PullAsync(options)).DefaultTimeout();
        fault.Fault.ShouldBe(HubFault.Network);
        _hub = await FakeHub.StartAsync().DefaultTimeout();
    }

    [Fact]
    public async Task Pull_ListOfManyPages_AllFiles()
    {
        for (int i = 0; i < 25; i++)
            _hub.Files[$"unet/extra{i}.json"] = "{}"u8.ToArray();
        _hub.PageSize = 4;
        (await PullAsync()).Files.Count.ShouldBe(29);
        _hub.NextPageHost = _hub.Store;
        (await FaultAsync()).ShouldBe(HubFault.Protocol);
    }

    [Fact]
    public async Task Pull_RenamedRepository_RedirectsFollowed()
    {
        _hub.OldId = "old-org/old-name";
        using var client = new HubClient(_hub.Options(_folder));
        var snapshot = await client.PullAsync(HubRepository.Parse("old-org/old-name")).DefaultTimeout();
        (await File.ReadAllBytesAsync(Path.Combine(snapshot.Folder, Weights)).DefaultTimeout()).ShouldBe(_large);
        snapshot.Folder.ShouldContain("models--old-org--old-name");
    }

    [Theory]
    [InlineData("""[{"type":"file","path":"../x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"file","path":"/etc/x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"file","path":"a\\..\\x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"file","path":"x","size":-1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"file","path":"x","size":1,"oid":"../../x"}]""")]
    [InlineData("""[{"type":"file","path":"x","size":"1","oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"link","path":"x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""[{"type":"file","path":"x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"},{"type":"file","path":"x","size":1,"oid":"0123456789abcdef0123456789abcdef01234567"}]""")]
    [InlineData("""{"error":"x"}""")]
    [InlineData("""[1]""")]
    [InlineData("""<html>""")]
    public async Task Pull_MalformedList_ProtocolFaultAndNothingWritten(string tree)
    {
        _hub.RawTree = tree;
        (await FaultAsync()).ShouldBe(HubFault.Protocol);
        Directory.Exists(_folder.File("hub")).ShouldBeFalse();
    }

    [Fact]
    public async Task Pull_Offline_CacheOrAFaultThatSaysSo()
    {
        var offline = _hub.Options(_folder) with { IsOffline = true };
        (await Should.ThrowAsync<HubException>(() => PullAsync(offline)).DefaultTimeout()).Fault.ShouldBe(HubFault.Offline);
        _hub.Requests.ShouldBeEmpty();
        var fetched = await PullAsync();
        int before = _hub.Requests.Count;
        (await PullAsync(offline)).Folder.ShouldBe(fetched.Folder);
        (await PullAsync(offline, $"{FakeHub.Id}@{FakeHub.Commit}")).Folder.ShouldBe(fetched.Folder);
        _hub.Requests.Count.ShouldBe(before);
    }

    [Fact]
    public async Task Pull_RevisionWithSlashes_KeptUnderItsName()
    {
        await PullAsync(repository: $"{FakeHub.Id}@refs/pr/1");
        File.Exists(Path.Combine(_folder.File("hub"), "models--org--tiny", "refs", "refs", "pr", "1")).ShouldBeTrue();
    }

    [Fact]
    public async Task Pull_TwoAtOnce_OneFetches()
    {
        await Task.WhenAll(PullAsync(), PullAsync(), PullAsync()).DefaultTimeout();
        _hub.Requests.Count(r => r.IsStore).ShouldBe(1);
    }

    [Fact]
    public async Task Pull_Cancelled_KeepsWhatArrived()
    {
        using var stop = new CancellationTokenSource();
        using var client = new HubClient(_hub.Options(_folder));
        _hub.StoreTroubles.Enqueue(Trouble.Silent);
        await Should.ThrowAsync<OperationCanceledException>(() => client.PullAsync(HubRepository.Parse(FakeHub.Id), cancellationToken: stop.Token,
            progress: p =>
            {
                if (p.File.Path == Weights && p.Bytes >= _large.Length / 2)
                    stop.Cancel();
            })).DefaultTimeout();
        new FileInfo(Partial()).Length.ShouldBe(_large.Length / 2);
        await PullAsync();
        _hub.Requests.Last(r => r.IsStore).Range.ShouldBe($"bytes={_large.Length / 2}-");
    }

    private async Task<HubSnapshot> PullAsync(HubOptions? options = null, string repository = FakeHub.Id)
    {
        using var client = new HubClient(options ?? _hub.Options(_folder));
        return await client.PullAsync(HubRepository.Parse(repository)).DefaultTimeout();
    }

    private async Task<HubFault> FaultAsync() => (await Should.ThrowAsync<HubException>(() => PullAsync()).DefaultTimeout()).Fault;

    private string Partial()
    {
        string path = Path.Combine(_folder.File("hub"), "models--org--tiny", "blobs", FakeHub.Hash(_large) + ".incomplete");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}
