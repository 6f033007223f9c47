namespace Mesh.Batching.Tests;

public sealed class AdmissionTests
{
    [Fact]
    public void Permit_BeyondTheTotal_IsRefusedUntilOneComesBack()
    {
        var admission = new Admission(total: 2, perCaller: 2);
        var first = admission.TryEnter("a");
        admission.TryEnter("b").ShouldNotBeNull();

        admission.TryEnter("c").ShouldBeNull();
        first!.Dispose();

        admission.TryEnter("c").ShouldNotBeNull();
        admission.Out.ShouldBe(2);
    }

    [Fact]
    public void Permit_BeyondACallersShare_IsRefusedToThatCallerOnly()
    {
        var admission = new Admission(total: 10, perCaller: 2);
        admission.TryEnter("greedy", 2).ShouldNotBeNull();

        admission.TryEnter("greedy").ShouldBeNull();
        admission.TryEnter("other", 2).ShouldNotBeNull();
    }

    [Fact]
    public void Permits_ForSeveral_AreAllOrNone()
    {
        var admission = new Admission(total: 3, perCaller: 3);
        using var one = admission.TryEnter("a");

        admission.TryEnter("b", 3).ShouldBeNull();
        admission.Out.ShouldBe(1);
    }

    [Fact]
    public void Permit_DisposedTwice_ComesBackOnce()
    {
        var admission = new Admission(total: 2, perCaller: 2);
        var permit = admission.TryEnter("a");
        using var other = admission.TryEnter("a");

        permit!.Dispose();
        permit.Dispose();

        admission.Out.ShouldBe(1);
    }
}
