using TorchSharp;
using static TorchSharp.torch;

namespace Mesh.TorchSharp.Tests.Tensor;

/// <summary>Who owns a tensor, and when it goes. Counts are the calling thread's own, so other tests do not disturb them.</summary>
public sealed class DisposeScopeTests
{
    [Fact]
    public void Scope_OnItsEnd_DisposesOfWhatWasMadeInIt()
    {
        torch.Tensor inside;
        using (var scope = NewDisposeScope())
        {
            inside = ones(2) + 1;
            scope.DisposablesCount.ShouldBe(2);
            scope.Contains(inside).ShouldBeTrue();
            ReferenceEquals(CurrentDisposeScope, scope).ShouldBeTrue();
        }
        inside.IsInvalid.ShouldBeTrue();
        CurrentDisposeScope.ShouldBeNull();
    }

    [Fact]
    public void MoveToOuter_FromANestedScope_LivesAsLongAsTheOuter()
    {
        torch.Tensor kept;
        using (var outer = NewDisposeScope())
        {
            using (NewDisposeScope())
            {
                kept = (ones(2) + 1).MoveToOuterDisposeScope();
            }
            kept.IsInvalid.ShouldBeFalse();
            outer.Contains(kept).ShouldBeTrue();
            outer.DisposablesCount.ShouldBe(1);
        }
        kept.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void MoveToOuter_FromTheOutermostScope_LeavesTheTensorToItsOwner()
    {
        torch.Tensor kept;
        using (NewDisposeScope()) kept = ones(2).MoveToOuterDisposeScope();
        kept.IsInvalid.ShouldBeFalse();
        kept.Dispose();
    }

    [Fact]
    public void DetachFromDisposeScope_TakesATensorOutOfAllScopes()
    {
        torch.Tensor kept;
        using (NewDisposeScope())
        using (NewDisposeScope())
            kept = ones(2).DetachFromDisposeScope();
        kept.IsInvalid.ShouldBeFalse();
        kept.Dispose();
        kept.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void DisposeEverythingBut_KeepsWhatIsNamed()
    {
        using var scope = NewDisposeScope();
        var a = ones(1);
        var b = ones(1);
        scope.DisposeEverythingBut(b);
        a.IsInvalid.ShouldBeTrue();
        b.IsInvalid.ShouldBeFalse();
        scope.DisposablesCount.ShouldBe(1);
        scope.DisposeEverything();
        b.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void Attach_TakesATensorMadeOutside()
    {
        var outside = ones(1);
        using (var scope = NewDisposeScope()) scope.Attach(outside);
        outside.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void MoveToOther_HandsOverToANamedScope()
    {
        using var outer = NewDisposeScope();
        using var middle = NewDisposeScope();
        using var inner = NewDisposeScope();
        var x = ones(1);
        inner.MoveToOther(outer, x);
        outer.Contains(x).ShouldBeTrue();
        middle.Contains(x).ShouldBeFalse();
        var (y, z) = inner.MoveToOuter(ones(1), ones(1));
        middle.Contains(y).ShouldBeTrue();
        middle.Contains(z).ShouldBeTrue();
    }

    [Fact]
    public void DisposeByHand_InsideAScope_IsCountedOnce()
    {
        using var scope = NewDisposeScope();
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        statistics.Reset();
        var x = ones(1);
        x.Dispose();
        x.Dispose();
        scope.DisposablesCount.ShouldBe(0);
        statistics.CreatedInScopeCount.ShouldBe(1);
        statistics.DisposedInScopeCount.ShouldBe(1);
        statistics.ThreadTotalLiveCount.ShouldBe(0);
    }

    [Fact]
    public void Statistics_OfOneThread_TellWhereTensorsWentTo()
    {
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        statistics.Reset();
        ones(1).Dispose();
        torch.Tensor detached;
        using (var scope = NewDisposeScope())
        {
            ones(1);
            detached = ones(1).DetachFromDisposeScope();
            scope.Attach(ones(1).DetachFromDisposeScope());
        }
        statistics.CreatedOutsideScopeCount.ShouldBe(1);
        statistics.DisposedOutsideScopeCount.ShouldBe(1);
        statistics.CreatedInScopeCount.ShouldBe(3);
        statistics.DetachedFromScopeCount.ShouldBe(2);
        statistics.AttachedToScopeCount.ShouldBe(1);
        statistics.DisposedInScopeCount.ShouldBe(2);
        detached.Dispose();
        statistics.DisposedOutsideScopeCount.ShouldBe(2);
        statistics.ThreadTotalLiveCount.ShouldBe(0);
    }

    [Fact]
    public void WrappedTensorDisposeScope_LetsOnlyTheResultOut()
    {
        using var scope = NewDisposeScope();
        var result = WrappedTensorDisposeScope(() => (ones(2) + 1) * 3);
        scope.DisposablesCount.ShouldBe(1);
        result.sum().item<float>().ShouldBe(12);
    }

    [Fact]
    public void DisposedTensor_Used_IsAnError()
    {
        var x = ones(1);
        x.Dispose();
        Should.Throw<InvalidOperationException>(() => x + 1);
    }

    [Fact]
    public void Scopes_OfDifferentThreads_DoNotMeet()
    {
        using var scope = NewDisposeScope();
        var found = scope;
        torch.Tensor? elsewhere = null;
        var thread = new Thread(() => (found, elsewhere) = (CurrentDisposeScope, ones(1)));
        thread.Start();
        thread.Join(TimeSpan.FromSeconds(30)).ShouldBeTrue();
        found.ShouldBeNull();
        scope.Contains(elsewhere!).ShouldBeFalse();
        elsewhere!.Dispose();
    }

    [Fact]
    public void Views_OutliveTheirBase()
    {
        torch.Tensor view;
        using (var whole = arange(6)) view = whole.view(2, 3);
        view.sum().item<long>().ShouldBe(15);
        view.Dispose();
    }
}
