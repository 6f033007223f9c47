namespace Mesh.Store.Tests;

public sealed class CacheKeyTests
{
    private static readonly CacheKey Plain = CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "float32", []);

    [Fact]
    public void Key_OfTheSameParts_IsTheSame() => CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "float32", []).ShouldBe(Plain);

    [Fact]
    public void Key_ChangesWith_EveryPart()
    {
        CacheKey[] others =
        [
            CacheKey.OfEmbedding("enc2", "tok", "a cat", 77, "float32", []),
            CacheKey.OfEmbedding("enc", "tok2", "a cat", 77, "float32", []),
            CacheKey.OfEmbedding("enc", "tok", "a cat ", 77, "float32", []),
            CacheKey.OfEmbedding("enc", "tok", "A cat", 77, "float32", []),
            CacheKey.OfEmbedding("enc", "tok", "a cat", 32, "float32", []),
            CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "bfloat16", []),
            CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "float32", [("lora", 1)]),
            CacheKey.OfEmbedding("enc", "tok", "a cat", 77, "float32", [("lora", 0.5f)]),
            CacheKey.OfEmbedding("en", "ctok", "a cat", 77, "float32", []),
        ];

        others.Append(Plain).Select(x => x.Text).ShouldBeUnique();
    }

    [Fact]
    public void Key_IsSixtyFourHexadecimalDigits() => Plain.Text.ShouldMatch("^[0-9a-f]{64}$");
}
