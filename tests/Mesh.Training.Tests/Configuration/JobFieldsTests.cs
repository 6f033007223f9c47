using Mesh.Training.Configuration;
using Mesh.Training.Runs;

namespace Mesh.Training.Tests.Configuration;

public sealed class JobFieldsTests
{
    [Theory]
    [InlineData("batch: 8", "images: is missing")]
    [InlineData("images: many", "images: 'many' is not a whole number")]
    [InlineData("images: -1", "images: -1 is less than 1")]
    [InlineData("{images: 10, rate: -0.1}", "rate: -0.1 is not above 0 and at most 1")]
    [InlineData("{images: 10, rate: .nan}", "rate: '.nan' is not a number")]
    [InlineData("{images: 10, average_ramped: yes please}", "average_ramped: 'yes please' is neither true nor false")]
    [InlineData("{images: 10, rate_shape: wavy}", "rate_shape: 'wavy' is none of constant, cosine")]
    [InlineData("{images: 10, batch: [1]}", "batch: one value is needed")]
    [InlineData("{images: 10, colour: red}", "colour: unknown field")]
    public void Read_WithAFault_NamesTheField(string yaml, string message) => Faults(yaml).ShouldBe([message]);

    [Fact]
    public void Read_WithManyFaults_NamesThemAll() => Faults("{images: 0, batch: 0, sed: 1}").Length.ShouldBe(3);

    [Fact]
    public void Resolved_ReadAgain_IsTheSame()
    {
        var fields = JobFields.Parse("{images: 10, rate: 0.001, rate_shape: cosine}");
        var first = TrainConfig.Read(fields);
        fields.Done();

        var again = JobFields.Parse(fields.Resolved());
        TrainConfig.Read(again).ShouldBe(first);
        again.Done();
        again.Resolved().ShouldBe(fields.Resolved());
        fields.Resolved().ShouldContain("rate_shape: \"cosine\"");
        fields.Resolved().ShouldContain("batch: 64");
    }

    [Fact]
    public void Object_Nested_IsNamedByItsPath()
    {
        var fields = JobFields.Parse("outer: {inner: {x: a}}");
        fields.Mapping("outer").Mapping("inner").Amount("x", null, 0);

        Should.Throw<JobConfigException>(fields.Done).Faults.Single().Field.ShouldBe("outer.inner.x");
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData(".")]
    public void PathBelow_LeadingOutside_IsAFault(string path)
    {
        var fields = JobFields.Parse($"data: {path}");
        fields.PathBelow("data", "/srv/root");

        Should.Throw<JobConfigException>(fields.Done).Faults.Single().Field.ShouldBe("data");
    }

    [Fact]
    public void PathBelow_Inside_IsFull() => JobFields.Parse("data: a/b").PathBelow("data", "/srv/root").ShouldBe("/srv/root/a/b");

    [Theory]
    [InlineData("- 1\n- 2")]
    [InlineData("{a: ")]
    [InlineData("")]
    public void Parse_OfNoMapping_IsAFault(string yaml) => Should.Throw<JobConfigException>(() => JobFields.Parse(yaml));

    private static string[] Faults(string yaml)
    {
        var fields = JobFields.Parse(yaml);
        TrainConfig.Read(fields);
        return [.. Should.Throw<JobConfigException>(fields.Done).Faults.Select(f => $"{f.Field}: {f.Message}")];
    }
}
