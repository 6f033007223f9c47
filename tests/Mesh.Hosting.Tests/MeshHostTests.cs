using Mesh.Hosting.Configuration;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Hosting.Tests;

public sealed class MeshHostTests
{
    [Fact]
    public async Task Start_PortZero_AnswersOnTheAddressThatItTells()
    {
        var builder = MeshHost.Create(new MeshService("probe", "127.0.0.1:0", "127.0.0.1:0"), []);
        await using var app = builder.BuildMesh();
        await app.StartAsync().DefaultTimeout();

        using var client = new HttpClient();
        var answer = await client.GetStringAsync(new Uri($"{app.Addresses().Http}/readyz")).DefaultTimeout();

        answer.ShouldBe("""{"status":"ready","missing":{}}""");
        app.Addresses().Grpc.ShouldStartWith("http://127.0.0.1:");
    }

    [Fact]
    public void Build_ManyFaults_TellsThemAllAtOnce()
    {
        var builder = MeshHost.Create(new MeshService("probe", "127.0.0.1:0"), ["--Mesh:Bacthing:MaxBatch=3", "--Mesh:Listen:Htp", "x", "--Mesh:Drain:Timeout=soon"]);

        var e = Should.Throw<ConfigurationException>(() => builder.BuildMesh());

        e.Faults.Count.ShouldBe(3, e.Message);
    }
}
