using System.Text;

namespace Gpt35.Model.Tests;

public sealed class SafetensorsTests : FormatTests
{
    [Fact]
    public void A_file_of_another_writer_is_read()
    {
        // Two tensors out of order, a note, and a header padded with spaces.
        var path = WriteFile("""{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[8,12]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"c":{"dtype":"I8","shape":[],"data_offsets":[12,13]}}   """,
            [.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f), .. BitConverter.GetBytes((Half)0.25f), .. BitConverter.GetBytes((Half)4f), 7]);
        using var file = SafetensorsFile.Open(path);
        Assert.Equal(["a F32 [2]", "b F16 [2, 1]", "c I8 []"], file.Tensors.OrderBy(tensor => tensor.Key).Select(tensor => $"{tensor.Key} {tensor.Value}"));
        var values = new float[2];
        file.Tensors["a"].Read(0, values);
        Assert.Equal([1.5f, -2], values);
        file.Tensors["b"].Read(0, values);
        Assert.Equal([0.25f, 4], values);
        Assert.Contains("I8", Assert.Throws<InvalidDataException>(() => file.Tensors["c"].Read(0, new float[1])).Message);
    }

    private const string OneTensor = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";

    [Theory]
    [InlineData("", 0, "claims 0 bytes")]
    [InlineData("{\"a\":", 0, "not JSON")]
    [InlineData("[]", 8, "not a JSON object")]
    [InlineData("{\"a\":1}", 8, "header entry of \"a\"")]
    [InlineData(OneTensor + "x", 8, "text after the JSON")]
    [InlineData(OneTensor, 7, "cut short")]
    [InlineData(OneTensor, 9, "of which tensors take 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "expected 12 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}""", 8, "fewer than 2^63")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "header entry")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "header entry")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "expected 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775800,9223372036854775807]}}""", 8, "lies at bytes")]
    [InlineData("""{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}""", 8, "F8_E4M3")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, "expected it to begin at 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}""", 10, "expected it to begin at 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "second time")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "not JSON")]
    public void A_damaged_header_is_refused(string header, int dataLength, string named)
    {
        var path = WriteFile(header, new byte[dataLength]);
        var message = Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path)).Message;
        Assert.StartsWith(path, message);
        Assert.Contains(named, message);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(7, 0)]
    [InlineData(8, 0)]
    [InlineData(60, 1_000_000)]
    [InlineData(60, long.MaxValue)]
    [InlineData(60, -1)]
    public void A_length_that_is_not_there_is_refused(int fileLength, long claimed)
    {
        var bytes = new byte[fileLength];
        BitConverter.GetBytes(claimed).AsSpan(0, Math.Min(8, fileLength)).CopyTo(bytes);
        File.WriteAllBytes(At("m.safetensors"), bytes);
        Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(At("m.safetensors")));
    }

    [Fact]
    public void Deep_nesting_is_refused() =>
        Assert.Contains("not JSON", Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(WriteFile("{\"a\":" + new string('[', 100_000), []))).Message);

    [Fact]
    public void Large_models_are_written_in_shards_and_read_from_them()
    {
        using var model = TestModels.Shaken(Llama);
        Directory.CreateDirectory(At("shards"));
        var parts = TensorNames.HuggingFace(model.Config);
        SafetensorsWriter.WriteFolder(At("shards"), parts, TensorType.F32, (parameter, values) => model.Parameters.ValuesOf(parameter).CopyTo(values), shardBytes: 20_000);
        var files = Directory.GetFiles(At("shards"), "*.safetensors").Select(file => Path.GetFileName(file)!).Order().ToArray();
        Assert.True(files.Length > 3);
        Assert.Equal($"model-00001-of-{files.Length:D5}.safetensors", files[0]);
        // Only a tensor that is larger by itself makes a file larger.
        Assert.All(files, file => Assert.InRange(new FileInfo(At("shards", file)).Length, 1, 20_000 + 2_000 + 272 * 32 * 4));

        ModelFolder.Save(At("model"), model, Words, new ModelCard { Stage = "pretrain" });
        var expected = Weights(At("model"));
        File.Delete(At("model", "model.safetensors"));
        foreach (var file in Directory.GetFiles(At("shards"))) File.Copy(file, At("model", Path.GetFileName(file)));
        Assert.Equal(expected, Weights(At("model")));

        File.Delete(At("model", files[1]));
        Assert.Contains(files[1], Assert.Throws<FileNotFoundException>(() => Weights(At("model"))).Message);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../m.safetensors"}}""", "../m.safetensors")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "/etc/passwd")]
    [InlineData("""{"weight_map":{"z":"m.safetensors"}}""", "is in no shard")]
    [InlineData("""{"weight_map":{"a":3}}""", "weight_map")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""[]""", "weight_map")]
    [InlineData("""{"weight_map":{"a":"m.safetensors","a":"m.safetensors"}}""", "second time")]
    public void A_wrong_index_is_refused(string index, string named)
    {
        WriteFile(OneTensor, new byte[8]);
        File.WriteAllText(At("model.safetensors.index.json"), index);
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(Root)).Message);
    }

    [Fact]
    public void Pickles_are_refused_with_the_reason()
    {
        File.WriteAllText(At("pytorch_model.bin"), "");
        Assert.Contains("pickles", Assert.Throws<FileNotFoundException>(() => SafetensorsFile.Open(Root)).Message);
    }

    private string WriteFile(string header, byte[] data)
    {
        var json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(At("m.safetensors"), [.. BitConverter.GetBytes((long)json.Length), .. json, .. data]);
        return At("m.safetensors");
    }
}
