using System.Runtime.CompilerServices;
using Mesh.Contracts.Image.V1;
using Mesh.Gateway.Images;

namespace Mesh.Gateway.Keys;

/// <summary>Holds each key to its limits, whatever the call came in by. Images that fail, or that were made before, are not billed.</summary>
internal sealed class KeyedImages(IImages inner, KeyQuotas quotas) : IImages
{
    public async IAsyncEnumerable<GenerateResponse> GenerateAsync(GenerateRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        // A request that is wrong is for the mesh to refuse; it costs nothing in the end.
        using var bill = new Bill(quotas.Admit(caller.Name, Math.Max(1, request.Count)), Math.Max(1, request.Count));
        await using var events = inner.GenerateAsync(request, caller, cancel).GetAsyncEnumerator(cancel);
        while (await bill.UnlessFailed(events.MoveNextAsync(), cancel).ConfigureAwait(false))
        {
            var response = events.Current;
            bill.Take(response.Accepted, response.Completed, response.Failed);
            yield return response;
        }
        bill.Settle();
    }

    public async IAsyncEnumerable<UpscaleResponse> UpscaleAsync(UpscaleRequest request, Caller caller, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var bill = new Bill(quotas.Admit(caller.Name, 1), 1);
        await using var events = inner.UpscaleAsync(request, caller, cancel).GetAsyncEnumerator(cancel);
        while (await bill.UnlessFailed(events.MoveNextAsync(), cancel).ConfigureAwait(false))
        {
            var response = events.Current;
            bill.Take(response.Accepted, response.Completed, response.Failed);
            yield return response;
        }
        bill.Settle();
    }

    public GetCapabilitiesResponse GetCapabilities() => inner.GetCapabilities();

    public ListModelsResponse ListModels(ListModelsRequest request) => inner.ListModels(request);

    /// <summary>What a call costs in the end. One that its caller gives up pays for all it asked but what failed before.</summary>
    private sealed class Bill(KeyQuotas.Lease lease, int booked) : IDisposable
    {
        private int _settled;

        public void Take(Accepted? accepted, Completed? completed, Failed? failed)
        {
            if (accepted is { Replayed: true } || failed is { Index: < 0 }) Settle();
            else if (completed is not null) _settled++;
            else if (failed is not null) GiveBack(1);
        }

        public async ValueTask<bool> UnlessFailed(ValueTask<bool> moving, CancellationToken cancel)
        {
            try
            {
                return await moving.ConfigureAwait(false);
            }
            catch when (!cancel.IsCancellationRequested)
            {
                Settle();
                throw;
            }
        }

        /// <summary>What was neither made nor given back yet is not billed.</summary>
        public void Settle() => GiveBack(booked - _settled);

        public void Dispose() => lease.Dispose();

        private void GiveBack(int images)
        {
            lease.GiveBack(images);
            _settled += images;
        }
    }
}
