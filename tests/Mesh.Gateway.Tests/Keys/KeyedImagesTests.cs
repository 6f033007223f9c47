using Grpc.Core;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;
using Mesh.Gateway.Keys;
using Mesh.Gateway.Tests.Web;
using Mesh.Hosting.Faults;
using Mesh.Testing;

namespace Mesh.Gateway.Tests.Keys;

/// <summary>What is billed: a key with ten images a minute, and what it may still do after a call.</summary>
public sealed class KeyedImagesTests
{
    private const int Quota = 10;

    private static readonly Caller Studio = new("studio");

    private readonly FakeImages _fake = new();
    private readonly KeyQuotas _quotas = new([new ApiKeyOptions { Name = Studio.Name, ImagesPerMinute = Quota, MaxInFlight = 1 }], new ManualTime());

    [Fact]
    public async Task Generate_Done_CostsItsImages()
    {
        await GenerateAsync(4);

        Left().ShouldBe(Quota - 4);
    }

    [Fact]
    public async Task Generate_ReplayOfAnEarlierCall_CostsNothing()
    {
        _fake.Replayed = true;

        await GenerateAsync(4);

        Left().ShouldBe(Quota);
    }

    [Fact]
    public async Task Generate_Refused_CostsNothing()
    {
        _fake.BeforeAccepted = _ => throw MeshException.InvalidArgument("prompt", "is empty");

        await Should.ThrowAsync<MeshException>(GenerateAsync(4));

        Left().ShouldBe(Quota);
    }

    [Fact]
    public async Task Generate_OneImageFails_CostsTheOthers()
    {
        _fake.Failure = (2, new MeshException(StatusCode.Unavailable, "STAGE_LOST", "Gone.").ToStatus());

        await GenerateAsync(4);

        Left().ShouldBe(Quota - 3);
    }

    [Fact]
    public async Task Generate_WholeCallFails_CostsNothing()
    {
        _fake.BeforeImages = _ => throw new MeshException(StatusCode.Unavailable, "STAGE_LOST", "Gone.");

        await Should.ThrowAsync<MeshException>(GenerateAsync(4));

        Left().ShouldBe(Quota);
    }

    [Fact]
    public async Task Generate_LeftByItsCaller_CostsAllThatItAsked()
    {
        await foreach (var _ in Keyed().GenerateAsync(new GenerateRequest { Count = 4 }, Studio, CancellationToken.None)) break;

        Left().ShouldBe(Quota - 4);
    }

    [Fact]
    public async Task Generate_BeyondTheQuota_DoesNotReachTheMesh()
    {
        var fault = await Should.ThrowAsync<MeshException>(GenerateAsync(Quota + 1));

        fault.Code.ShouldBe(StatusCode.ResourceExhausted);
        _fake.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task Upscale_Done_CostsOneImage()
    {
        await foreach (var _ in Keyed().UpscaleAsync(new UpscaleRequest(), Studio, CancellationToken.None))
        {
            // Only its cost matters.
        }

        Left().ShouldBe(Quota - 1);
    }

    private KeyedImages Keyed() => new(_fake, _quotas);

    private async Task GenerateAsync(int count)
    {
        await foreach (var _ in Keyed().GenerateAsync(new GenerateRequest { Count = count }, Studio, CancellationToken.None))
        {
            // Only their cost matters.
        }
    }

    /// <summary>How many more images are let in; also that no call is in flight any more.</summary>
    private int Left()
    {
        for (var images = Quota; images > 0; images--)
        {
            try
            {
                using var lease = _quotas.Admit(Studio.Name, images);
                lease.GiveBack(images);
                return images;
            }
            catch (MeshException e) when (e.Reason == KeyQuotas.TooManyImagesAMinute)
            {
                // Fewer, then.
            }
        }
        return 0;
    }
}
