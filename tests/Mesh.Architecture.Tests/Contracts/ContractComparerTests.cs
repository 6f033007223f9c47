using Google.Protobuf.Reflection;
using Kind = Google.Protobuf.Reflection.FieldDescriptorProto.Types.Type;
using Label = Google.Protobuf.Reflection.FieldDescriptorProto.Types.Label;

namespace Mesh.Architecture.Tests.Contracts;

/// <summary>The comparer on made-up contracts.</summary>
public sealed class ContractComparerTests
{
    private static readonly (string Change, Action<FileDescriptorProto> Make, string Break)[] Incompatible =
    [
        ("field removed", x => Fields(x).RemoveAt(0), "shop.v1.Order.id: the field (number 1) is gone"),
        ("field removed and reserved", x => { Fields(x).RemoveAt(0); x.MessageType[0].ReservedName.Add("id"); }, "shop.v1.Order.id: the field (number 1) is gone"),
        ("field renumbered", x => Fields(x)[0].Number = 17, "shop.v1.Order.id: number 1 has become 17"),
        ("numbers swapped", x => (Fields(x)[0].Number, Fields(x)[1].Number) = (2, 1), "shop.v1.Order.id: number 1 has become 2"),
        ("field renamed", x => Fields(x)[0].Name = "key", "shop.v1.Order.id: name `id` has become `key`"),
        ("field retyped", x => Fields(x)[0].Type = Kind.Int64, "shop.v1.Order.id: type `string` has become `int64`"),
        ("type swapped", x => Fields(x)[2].TypeName = ".shop.v1.Lost", "shop.v1.Order.state: type `shop.v1.State` has become `shop.v1.Lost`"),
        ("made repeated", x => Fields(x)[0].Label = Label.Repeated, "shop.v1.Order.id: label `single` has become `repeated`"),
        ("made single", x => Fields(x)[1].Label = Label.Optional, "shop.v1.Order.items: label `repeated` has become `single`"),
        ("made optional", MakeOptional, "shop.v1.Order.id: label `single` has become `optional`"),
        ("moved out of its oneof", x => Fields(x)[3].ClearOneofIndex(), "shop.v1.Order.card: oneof `payment` has become `none`"),
        ("oneof renamed", x => x.MessageType[0].OneofDecl[0].Name = "paid", "shop.v1.Order.card: oneof `payment` has become `paid`"),
        ("JSON name set", x => Fields(x)[0].JsonName = "ID", "shop.v1.Order.id: JSON name `` has become `ID`"),
        ("unpacked", x => Fields(x)[1].Options = new FieldOptions { Packed = false }, "shop.v1.Order.items: packing `default` has become `unpacked`"),
        ("reserved number freed", x => x.MessageType[0].ReservedRange.Clear(), "shop.v1.Order: the number 9 is reserved no more"),
        ("reserved name freed", x => x.MessageType[0].ReservedName.Clear(), "shop.v1.Order: the name `old` is reserved no more"),
        ("message removed", x => x.MessageType.RemoveAt(1), "message shop.v1.Reply is gone"),
        ("nested message removed", x => x.MessageType[0].NestedType.Clear(), "message shop.v1.Order.Item is gone"),
        ("nested field removed", x => x.MessageType[0].NestedType[0].Field.Clear(), "shop.v1.Order.Item.count: the field (number 1) is gone"),
        ("enum removed", x => x.EnumType.Clear(), "enum shop.v1.State is gone"),
        ("enum value removed", x => x.EnumType[0].Value.RemoveAt(1), "shop.v1.State.STATE_OPEN: the value (1) is gone"),
        ("enum value renumbered", x => x.EnumType[0].Value[1].Number = 2, "shop.v1.State.STATE_OPEN: number 1 has become 2"),
        ("enum value renamed", x => x.EnumType[0].Value[1].Name = "STATE_NEW", "shop.v1.State.STATE_OPEN: the value (1) is gone"),
        ("service removed", x => x.Service.Clear(), "service shop.v1.Shop is gone"),
        ("service renamed", x => x.Service[0].Name = "Store", "service shop.v1.Shop is gone"),
        ("rpc removed", x => x.Service[0].Method.Clear(), "shop.v1.Shop.Buy: the rpc is gone"),
        ("request changed", x => x.Service[0].Method[0].InputType = ".shop.v1.Reply", "shop.v1.Shop.Buy: request `.shop.v1.Order` has become `.shop.v1.Reply`"),
        ("response changed", x => x.Service[0].Method[0].OutputType = ".shop.v1.Order", "shop.v1.Shop.Buy: response `.shop.v1.Reply` has become `.shop.v1.Order`"),
        ("request made a stream", x => x.Service[0].Method[0].ClientStreaming = true, "shop.v1.Shop.Buy: request streaming `one` has become `stream`"),
        ("stream made one response", x => x.Service[0].Method[0].ServerStreaming = false, "shop.v1.Shop.Buy: response streaming `stream` has become `one`"),
        ("package changed", x => x.Package = "shop.v2", "shop.proto: package `shop.v1` has become `shop.v2`"),
        ("namespace changed", x => x.Options.CsharpNamespace = "Shop.V2", "shop.proto: csharp_namespace `Shop.V1` has become `Shop.V2`"),
        ("syntax changed", x => x.Syntax = "proto2", "shop.proto: syntax `proto3` has become `proto2`"),
    ];

    private static readonly (string Change, Action<FileDescriptorProto> Make)[] Compatible =
    [
        ("nothing", _ => { }),
        ("field added", x => Fields(x).Add(Field("note", 20, Kind.String))),
        ("field added to a oneof", x => Fields(x).Add(new FieldDescriptorProto(Field("cash", 21, Kind.Bool)) { OneofIndex = 0 })),
        ("fields reordered", x => { var first = Fields(x)[0]; Fields(x).RemoveAt(0); Fields(x).Add(first); }),
        ("message added", x => x.MessageType.Add(new DescriptorProto { Name = "More" })),
        ("enum value added", x => x.EnumType[0].Value.Add(new EnumValueDescriptorProto { Name = "STATE_DONE", Number = 5 })),
        ("rpc added", x => x.Service[0].Method.Add(new MethodDescriptorProto { Name = "Return", InputType = ".shop.v1.Order", OutputType = ".shop.v1.Reply" })),
        ("service added", x => x.Service.Add(new ServiceDescriptorProto { Name = "Depot" })),
        ("number reserved", x => x.MessageType[0].ReservedRange.Add(new DescriptorProto.Types.ReservedRange { Start = 30, End = 31 })),
    ];

    public static TheoryData<string> Breaking => [.. Incompatible.Select(x => x.Change)];

    public static TheoryData<string> Growing => [.. Compatible.Select(x => x.Change)];

    [Theory]
    [MemberData(nameof(Breaking))]
    public void Breaks_OfAnIncompatibleChange_AreNamed(string change)
    {
        var (_, make, expected) = Incompatible.Single(x => x.Change == change);

        Breaks(make).ShouldContain(expected);
    }

    [Theory]
    [MemberData(nameof(Growing))]
    public void Breaks_OfACompatibleChange_AreNone(string change) => Breaks(Compatible.Single(x => x.Change == change).Make).ShouldBeEmpty();

    [Fact]
    public void Breaks_OfAFileRemoved_NameAllThatWasInIt() =>
        ContractComparer.Breaks(Set(Shop()), new FileDescriptorSet())
            .ShouldBe(["message shop.v1.Order is gone", "message shop.v1.Order.Item is gone", "message shop.v1.Reply is gone", "enum shop.v1.State is gone", "service shop.v1.Shop is gone"]);

    [Fact]
    public void Breaks_OfAMessageMovedToAnotherFile_AreNone()
    {
        var (first, second) = (Shop(), new FileDescriptorProto { Name = "reply.proto", Package = "shop.v1" });
        second.MessageType.Add(first.MessageType[1]);
        first.MessageType.RemoveAt(1);

        ContractComparer.Breaks(Set(Shop()), Set(first, second)).ShouldBeEmpty();
    }

    private static IReadOnlyList<string> Breaks(Action<FileDescriptorProto> change)
    {
        var changed = Shop();
        change(changed);
        return ContractComparer.Breaks(Set(Shop()), Set(changed));
    }

    private static FileDescriptorSet Set(params FileDescriptorProto[] files) => new() { File = { files } };

    private static Google.Protobuf.Collections.RepeatedField<FieldDescriptorProto> Fields(FileDescriptorProto file) => file.MessageType[0].Field;

    private static FieldDescriptorProto Field(string name, int number, Kind type) => new() { Name = name, Number = number, Type = type, Label = Label.Optional };

    private static void MakeOptional(FileDescriptorProto file)
    {
        file.MessageType[0].OneofDecl.Add(new OneofDescriptorProto { Name = "_id" });
        Fields(file)[0].OneofIndex = 1;
        Fields(file)[0].Proto3Optional = true;
    }

    private static FileDescriptorProto Shop() => new()
    {
        Name = "shop.proto",
        Package = "shop.v1",
        Syntax = "proto3",
        Options = new Google.Protobuf.Reflection.FileOptions { CsharpNamespace = "Shop.V1" },
        MessageType =
        {
            new DescriptorProto
            {
                Name = "Order",
                Field =
                {
                    Field("id", 1, Kind.String),
                    new FieldDescriptorProto { Name = "items", Number = 2, Type = Kind.Message, TypeName = ".shop.v1.Order.Item", Label = Label.Repeated },
                    new FieldDescriptorProto { Name = "state", Number = 3, Type = Kind.Enum, TypeName = ".shop.v1.State", Label = Label.Optional },
                    new FieldDescriptorProto(Field("card", 4, Kind.String)) { OneofIndex = 0 },
                },
                OneofDecl = { new OneofDescriptorProto { Name = "payment" } },
                NestedType = { new DescriptorProto { Name = "Item", Field = { Field("count", 1, Kind.Int32) } } },
                ReservedName = { "old" },
                ReservedRange = { new DescriptorProto.Types.ReservedRange { Start = 9, End = 10 } },
            },
            new DescriptorProto { Name = "Reply" },
        },
        EnumType =
        {
            new EnumDescriptorProto
            {
                Name = "State",
                Value = { new EnumValueDescriptorProto { Name = "STATE_UNSPECIFIED", Number = 0 }, new EnumValueDescriptorProto { Name = "STATE_OPEN", Number = 1 } },
            },
        },
        Service =
        {
            new ServiceDescriptorProto
            {
                Name = "Shop",
                Method = { new MethodDescriptorProto { Name = "Buy", InputType = ".shop.v1.Order", OutputType = ".shop.v1.Reply", ServerStreaming = true } },
            },
        },
    };
}
