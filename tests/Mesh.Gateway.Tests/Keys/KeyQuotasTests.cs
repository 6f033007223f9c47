using Google.Rpc;
using Grpc.Core;
using Mesh.Gateway.Keys;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Keys;

public sealed class KeyQuotasTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Admit_CallsAtOnceBeyondTheLimit_IsRefusedUntilOneEnds()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", MaxInFlight = 2 });
        var first = quotas.Admit("studio", 1);
        using var second = quotas.Admit("studio", 1);

        Refused(quotas, 1).Reason.ShouldBe(KeyQuotas.TooManyCalls);
        first.Dispose();
        first.Dispose();

        quotas.Admit("studio", 1).Dispose();
        using var third = quotas.Admit("studio", 1);
        Refused(quotas, 1).Reason.ShouldBe(KeyQuotas.TooManyCalls);
    }

    [Fact]
    public void Admit_ImagesBeyondTheMinute_IsRefusedUntilTheyAreOld()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 10 });
        quotas.Admit("studio", 8).Dispose();
        quotas.Admit("studio", 2).Dispose();

        var fault = Refused(quotas, 3);

        fault.Reason.ShouldBe(KeyQuotas.TooManyImagesAMinute);
        fault.Details.OfType<QuotaFailure>().ShouldHaveSingleItem().Violations.ShouldHaveSingleItem().Subject.ShouldBe("key:studio");
        var wait = fault.Details.OfType<RetryInfo>().ShouldHaveSingleItem().RetryDelay.ToTimeSpan();
        wait.ShouldBeInRange(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(61));
        _time.Advance(wait - TimeSpan.FromTicks(1));
        Refused(quotas, 3);
        _time.Advance(TimeSpan.FromTicks(1));
        quotas.Admit("studio", 3).Dispose();
    }

    [Fact]
    public void Admit_ImagesBeyondTheDay_IsRefusedUntilTheyAreOld()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 10, ImagesPerDay = 20 });
        for (var i = 0; i < 2; i++)
        {
            quotas.Admit("studio", 10).Dispose();
            _time.Advance(TimeSpan.FromHours(1));
        }

        Refused(quotas, 1).Reason.ShouldBe(KeyQuotas.TooManyImagesADay);
        _time.Advance(TimeSpan.FromHours(22) + TimeSpan.FromMinutes(24));
        quotas.Admit("studio", 10).Dispose();
        Refused(quotas, 1);
    }

    [Fact]
    public void Admit_MoreThanEverFits_IsRefusedWithoutARetry() =>
        Refused(Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 10 }), 11).Details.OfType<RetryInfo>().ShouldBeEmpty();

    [Fact]
    public void Admit_Refused_BooksNothing()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", MaxInFlight = 1, ImagesPerMinute = 10, ImagesPerDay = 5 });
        for (var i = 0; i < 5; i++) Refused(quotas, 6).Reason.ShouldBe(KeyQuotas.TooManyImagesADay);

        quotas.Admit("studio", 5).Dispose();
    }

    [Fact]
    public void GiveBack_ImagesNotMade_CanBeHadAgain()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 10, ImagesPerDay = 10 });
        using (var lease = quotas.Admit("studio", 8))
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            lease.GiveBack(3);
            lease.GiveBack(100);
            lease.GiveBack(-1);
        }

        quotas.Admit("studio", 10).Dispose();
        Refused(quotas, 1);
    }

    [Fact]
    public void Admit_AnotherCaller_HasItsOwnLimits()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 1 }, new ApiKeyOptions { Name = "shop", ImagesPerMinute = 1 });
        quotas.Admit("studio", 1).Dispose();

        quotas.Admit("shop", 1).Dispose();
        quotas.Admit("anonymous", 1000).Dispose();
        quotas.Admit(null, 1000).Dispose();
    }

    [Fact]
    public async Task Admit_FromManyThreads_LetsInExactlyAsManyAsThereAre()
    {
        var quotas = Quotas(new ApiKeyOptions { Name = "studio", ImagesPerMinute = 500 });
        var admitted = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                try
                {
                    quotas.Admit("studio", 1).Dispose();
                    Interlocked.Increment(ref admitted);
                }
                catch (MeshException)
                {
                    // Refused, as most are.
                }
            }
        }))).DefaultTimeout();

        admitted.ShouldBe(500);
    }

    private KeyQuotas Quotas(params ApiKeyOptions[] keys) => new(keys, _time);

    private static MeshException Refused(KeyQuotas quotas, int images)
    {
        var fault = Should.Throw<MeshException>(() => quotas.Admit("studio", images));
        fault.Code.ShouldBe(StatusCode.ResourceExhausted);
        fault.Details.OfType<QuotaFailure>().ShouldHaveSingleItem();
        return fault;
    }
}
