using Grpc.Core;

namespace Mesh.Grpc.Tests.Client;

public sealed class MetadataTests
{
    [Theory]
    [InlineData("")]
    [InlineData("with space")]
    [InlineData("colon:")]
    [InlineData("grüße")]
    [InlineData("new\nline")]
    public void Key_NotAllowed_IsRefused(string key) => Should.Throw<ArgumentException>(() => new Metadata.Entry(key, "value"));

    [Fact]
    public void Key_UpperCase_IsLowered() => new Metadata.Entry("X-Some.Key_1", "v").Key.ShouldBe("x-some.key_1");

    [Fact]
    public void Entry_SuffixAgainstTheKind_IsRefused()
    {
        Should.Throw<ArgumentException>(() => new Metadata.Entry("x-bin", "text"));
        Should.Throw<ArgumentException>(() => new Metadata.Entry("x", new byte[] { 1 }));
    }

    [Fact]
    public void Entry_Null_IsRefused()
    {
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry(null!, "v"));
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry("k", (string)null!));
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry("k-bin", (byte[])null!));
    }

    [Fact]
    public void Entry_Text_HasAsciiBytes()
    {
        var entry = new Metadata.Entry("k", "ab");

        entry.IsBinary.ShouldBeFalse();
        entry.Value.ShouldBe("ab");
        entry.ValueBytes.ShouldBe([97, 98]);
    }

    [Fact]
    public void Entry_Binary_CopiesItsBytesAndHasNoText()
    {
        byte[] bytes = [1, 2];
        var entry = new Metadata.Entry("k-bin", bytes);
        bytes[0] = 9;
        entry.ValueBytes[1] = 9;

        entry.IsBinary.ShouldBeTrue();
        entry.ValueBytes.ShouldBe([1, 2]);
        Should.Throw<InvalidOperationException>(() => entry.Value);
    }

    [Fact]
    public void Get_KeyTwice_LastOneAndAllInOrder()
    {
        var metadata = new Metadata { { "a", "1" }, { "b", "2" }, { "a", "3" } };

        metadata.GetValue("a").ShouldBe("3");
        metadata.Get("a")!.Value.ShouldBe("3");
        metadata.GetAll("a").Select(entry => entry.Value).ShouldBe(["1", "3"]);
        metadata.Get("c").ShouldBeNull();
        metadata.GetValueBytes("c-bin").ShouldBeNull();
    }

    [Fact]
    public void Empty_Changed_IsRefused()
    {
        Metadata.Empty.IsReadOnly.ShouldBeTrue();
        Should.Throw<InvalidOperationException>(() => Metadata.Empty.Add("a", "1"));
        Metadata.Empty.Count.ShouldBe(0);
    }

    [Fact]
    public void List_Operations_Work()
    {
        var first = new Metadata.Entry("a", "1");
        var metadata = new Metadata { first, new Metadata.Entry("b", "2") };

        metadata.Insert(1, new Metadata.Entry("c", "3"));
        metadata.IndexOf(first).ShouldBe(0);
        metadata[0] = new Metadata.Entry("d", "4");
        metadata.Contains(first).ShouldBeFalse();
        metadata.RemoveAt(2);

        metadata.Select(entry => entry.Key).ShouldBe(["d", "c"]);
        metadata.Clear();
        metadata.Count.ShouldBe(0);
    }

    [Fact]
    public void Exception_Made_CarriesStatusAndTrailers()
    {
        var trailers = new Metadata { { "a", "1" } };
        var exception = new RpcException(new Status(StatusCode.Aborted, "why"), trailers);

        exception.StatusCode.ShouldBe(StatusCode.Aborted);
        exception.Trailers.ShouldBeSameAs(trailers);
        exception.Message.ShouldBe("Status(StatusCode=\"Aborted\", Detail=\"why\")");
        new RpcException(new Status(StatusCode.Aborted, "why"), "own text").Message.ShouldBe("own text");
        new RpcException(Status.DefaultCancelled).Trailers.Count.ShouldBe(0);
    }

    [Fact]
    public void CallOptions_With_ChangesOneThing()
    {
        using var source = new CancellationTokenSource();
        var deadline = DateTime.UtcNow;
        var headers = new Metadata();

        var options = new CallOptions(headers).WithDeadline(deadline).WithCancellationToken(source.Token).WithWaitForReady();

        options.Headers.ShouldBeSameAs(headers);
        options.Deadline.ShouldBe(deadline);
        options.CancellationToken.ShouldBe(source.Token);
        options.IsWaitForReady.ShouldBeTrue();
        options.WithWaitForReady(false).IsWaitForReady.ShouldBeFalse();
        new CallOptions().IsWaitForReady.ShouldBeFalse();
    }
}
