using System.Text;

namespace Mesh.Imaging.Tests;

public sealed class PngTextTests
{
    [Fact]
    public void Encode_Notes_ComeBackInOrder()
    {
        PngText[] notes = [new("parameters", "a red apple\nsteps 1, seed 42"), new("Title", "äöü ÿ"), new("prompt", "красное яблоко 🍎"), new("Empty", "")];
        var image = Pictures.Smooth(9, 9);

        var file = ImageCodec.Encode(image, ImageFormat.Png, new EncodeOptions(Text: notes));

        ImageCodec.ReadText(file).ShouldBe(notes);
        ImageCodec.Decode(file).Pixels.ShouldBe(image.Pixels);
    }

    [Fact]
    public void ReadText_OtherFormats_IsEmpty() => ImageCodec.ReadText(ImageCodec.Encode(Pictures.Smooth(4, 4), ImageFormat.Jpeg)).ShouldBeEmpty();

    [Fact]
    public void ReadText_CompressedNotes_AreInflated()
    {
        var file = TestPng.Build(
            1, 1, 8, 0, null, [0, 7],
            ("zTXt", [.. "Comment\0\0"u8, .. TestPng.Deflate(Encoding.Latin1.GetBytes("grün"))]),
            ("iTXt", [.. "Long\0\u0001\0en\0\0"u8, .. TestPng.Deflate(Encoding.UTF8.GetBytes("猫"))]));

        ImageCodec.ReadText(file).ShouldBe([new PngText("Comment", "grün"), new PngText("Long", "猫")]);
    }

    [Fact]
    public void ReadText_Bomb_IsRefused()
    {
        var file = TestPng.Build(1, 1, 8, 0, null, [0, 7], ("zTXt", [.. "x\0\0"u8, .. TestPng.Deflate(new byte[64 << 20])]));

        Should.Throw<ImageException>(() => ImageCodec.ReadText(file)).Message.ShouldContain("notes");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" x")]
    [InlineData("a  b")]
    [InlineData("a\nb")]
    [InlineData("猫")]
    public void Encode_BadKeyword_Throws(string keyword) =>
        Should.Throw<ArgumentException>(() => ImageCodec.Encode(Pictures.Smooth(2, 2), ImageFormat.Png, new EncodeOptions(Text: [new PngText(keyword, "x")])));

    [Fact]
    public void Encode_LongKeyword_Throws() => Encode_BadKeyword_Throws(new string('k', 80));

    [Fact]
    public void Encode_NullCharacter_Throws() =>
        Should.Throw<ArgumentException>(() => ImageCodec.Encode(Pictures.Smooth(2, 2), ImageFormat.Png, new EncodeOptions(Text: [new PngText("k", "a\0b")])));

    [Fact]
    public void ReadText_DamagedNote_IsAnError()
    {
        var file = ImageCodec.Encode(Pictures.Smooth(2, 2), ImageFormat.Png, new EncodeOptions(Text: [new PngText("k", "abc")]));
        file[file.AsSpan().IndexOf("abc"u8)] ^= 1;

        Should.Throw<ImageException>(() => ImageCodec.ReadText(file)).Message.ShouldContain("damaged");
    }
}
