using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gpt35.Inference.Constraints;

namespace Gpt35.Inference.Tests.Constraints;

public sealed class JsonConstraintTests
{
    private static OutputConstraint Of(string schema, int maxDepth = 8) => OutputConstraint.JsonSchema(schema, Documents.Tokenizer, maxDepth);

    private static void AssertValid(string schema, string text, string when)
    {
        var root = JsonNode.Parse(schema)!;
        JsonNode? document;
        try
        {
            document = JsonNode.Parse(text);
        }
        catch (JsonException e)
        {
            throw new InvalidOperationException($"{when}: {schema} gave what is no JSON, '{text}'", e);
        }
        if (SchemaValidator.Problem(root, document, root) is { } problem) Assert.Fail($"{when}: {schema} gave {text}: {problem}");
    }

    public static TheoryData<string> Schemas =>
    [
        """{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}""",
        """{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"boolean"},"c":{"type":"number"},"d":{"type":["string","null"]}},"required":["c"],"additionalProperties":false}""",
        """{"type":"object","properties":{"a":{"const":1},"b":{"const":"x\"y"},"c":{}},"additionalProperties":false}""",
        """{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}}}""",
        """{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"}},"id":{"enum":["a","b",3,null,{"k":[1,2]}]}},"required":["children","id"]}""",
        """{"type":"array","items":{"type":"string","minLength":2,"maxLength":4},"minItems":2,"maxItems":3}""",
        """{"anyOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}]}""",
        """{"type":"object","properties":{"when":{"type":"string","format":"date-time"},"day":{"type":"string","format":"date"},"id":{"type":"string","format":"uuid"},"ip":{"type":"string","format":"ipv4"}},"required":["when","day","id","ip"]}""",
        """{"type":"array","items":{"type":"string","format":"email"},"minItems":1,"maxItems":2}""",
        """{"type":"array","items":{"type":"string","format":"hostname"},"maxItems":2}""",
        """{"type":"string","pattern":"^[A-Z]{2}\\d{3}$"}""",
        """{"type":"string","pattern":"a\"b\\\\|\\n+"}""",
        """{"type":"array","items":{"type":"integer","minimum":-12,"maximum":1034},"minItems":3,"maxItems":9}""",
        """{"type":"array","items":{"type":"number","exclusiveMinimum":-0.25,"maximum":3.75},"minItems":3,"maxItems":9}""",
        """{"type":"array","items":{"type":"number","minimum":0.125,"exclusiveMaximum":0.5},"minItems":1,"maxItems":4}""",
        """{"type":"array","items":{"type":"number","minimum":1e3},"minItems":1,"maxItems":4}""",
        """{"type":"array","items":{"type":"integer","multipleOf":7},"minItems":3,"maxItems":9}""",
        """{"type":"array","items":{"type":"number","multipleOf":0.25,"minimum":-3.1,"exclusiveMaximum":120},"minItems":3,"maxItems":9}""",
        """{"type":"array","items":{"type":"integer","multipleOf":97,"minimum":-2500,"maximum":10000},"minItems":1,"maxItems":4}""",
        """{"type":"object"}""",
        """{"type":"object","properties":{},"additionalProperties":false}""",
        """{"enum":[1,2,"three"],"type":["integer"]}""",
    ];

    [Theory, MemberData(nameof(Schemas))]
    public void Every_document_that_is_written_satisfies_its_schema(string schema)
    {
        var constraint = Of(schema);
        for (var seed = 0; seed < 16; seed++)
            AssertValid(schema, Documents.Write(constraint, seed, 150, hostile: seed % 2 == 1).Text, $"seed {seed}");
        Documents.AssertMasksAreExact(constraint, 3);
    }

    [Fact]
    public void Every_document_of_a_random_schema_satisfies_it()
    {
        for (var seed = 0; seed < 80; seed++)
        {
            var schema = RandomSchema(new Random(seed)).ToJsonString();
            var constraint = Of(schema, 16);
            for (var i = 0; i < 4; i++) AssertValid(schema, Documents.Write(constraint, 10 * seed + i, 400, hostile: i % 2 == 1).Text, $"seed {seed}, {i}");
            if (seed % 8 == 0) Documents.AssertMasksAreExact(constraint, seed, 12);
        }
    }

    private static JsonObject RandomSchema(Random random)
    {
        var schema = Schema(3);
        schema["$defs"] = new JsonObject { ["r"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["deeper"] = Schema(2) } } };
        return schema;

        JsonObject Schema(int depth) => random.Next(depth > 0 ? 9 : 6) switch
        {
            0 => new JsonObject { ["type"] = "string" },
            1 => new JsonObject { ["type"] = new JsonArray("integer", "boolean") },
            2 => new JsonObject { ["type"] = "number", ["minimum"] = random.Next(-30, 5), ["maximum"] = random.Next(5, 2000) / 8.0, ["multipleOf"] = depth % 2 == 0 ? 0.125 : 1e-9 },
            3 => new JsonObject { ["enum"] = new JsonArray("a", "ab", 1, 12, null, true) },
            4 => new JsonObject { ["type"] = "string", ["pattern"] = "^(ab|[0-9]{1,3})*$" },
            5 => depth == 3 ? new JsonObject { ["type"] = "boolean" } : new JsonObject { ["$ref"] = "#/$defs/r" },
            6 => new JsonObject { ["type"] = "array", ["items"] = Schema(depth - 1), ["minItems"] = random.Next(2), ["maxItems"] = random.Next(1, 4) },
            7 => new JsonObject { ["anyOf"] = new JsonArray(Schema(depth - 1), Schema(depth - 1)) },
            _ => Object(depth),
        };

        JsonObject Object(int depth)
        {
            string[] names = [.. new[] { "a", "ab", "b", "é\"", "long name" }.Where(_ => random.Next(3) > 0)];
            return new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject(names.Select(name => KeyValuePair.Create(name, (JsonNode?)Schema(depth - 1)))),
                ["required"] = new JsonArray([.. names.Where(_ => random.Next(2) == 0).Select(name => (JsonNode?)name)]),
                ["additionalProperties"] = false,
            };
        }
    }

    [Fact]
    public void Json_mode_writes_objects_and_nothing_else()
    {
        var constraint = OutputConstraint.Json(Documents.Tokenizer, 6);
        for (var seed = 0; seed < 60; seed++)
        {
            var (text, _, _) = Documents.Write(constraint, seed, 20 + 5 * seed, hostile: seed % 2 == 1);
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 6 });
            Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
            Visit(document.RootElement);
        }
        Documents.AssertMasksAreExact(constraint, 1, 60);

        // Strings must be text: no half surrogate pair hides in an escape.
        static void Visit(JsonElement element)
        {
            if (element.ValueKind == JsonValueKind.String) Assert.True(Encoding.UTF8.GetByteCount(element.GetString()!) >= 0);   // GetString throws for half a pair
            else if (element.ValueKind == JsonValueKind.Array) foreach (var item in element.EnumerateArray()) Visit(item);
            else if (element.ValueKind == JsonValueKind.Object) foreach (var member in element.EnumerateObject()) Visit(member.Value);
        }
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"name": "Ada", "age": 36, "tags": ["a", "b"], "nested": {"x": 1.5e3, "y": null}, "ok": true}""")]
    [InlineData("{\n  \"a\": [\n    1,\n    -0.5,\n    \"\\u00e9\\n\\ud83d\\ude00\"\n  ],\n\t\"é€😀\": {}\n}")]
    [InlineData("""{"a":[[[{}]]],"b":"\\\"/"}""")]
    [InlineData("\n{\"a\":1E-7}")]
    public void Json_mode_can_write_any_ordinary_object(string document)
    {
        Assert.True(Documents.Allows(OutputConstraint.Json(Documents.Tokenizer), document));
        Assert.True(Documents.Allows(OutputConstraint.Json(Documents.Tokenizer), document, bytewise: true));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("1")]
    [InlineData("{} ")]
    [InlineData("{\"a\":01}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{'a':1}")]
    [InlineData("{\"a\":\"\u0001\"}")]
    [InlineData("{\"a\":\"\\ud800x\"}")]
    [InlineData("{\"a\":   1}")]
    [InlineData("{\"a\":tru}")]
    [InlineData("{\"a\":.5}")]
    public void Json_mode_can_write_nothing_else(string document) => Assert.False(Documents.Allows(OutputConstraint.Json(Documents.Tokenizer), document));

    [Fact]
    public void Bytes_that_are_no_utf8_are_never_allowed_in_a_string()
    {
        var constraint = OutputConstraint.Json(Documents.Tokenizer);
        byte[][] wrong = [[0x80], [0xC0, 0x80], [0xC3, 0x22], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8]];
        foreach (var bytes in wrong)
        {
            var at = constraint.After(constraint.After(constraint.StartConfiguration(), "{\"a\":\""u8), bytes);
            Assert.Same(Configuration.Dead, at);
        }
        // Half a character is no end of a string.
        var half = constraint.After(constraint.StartConfiguration(), [.. "{\"a\":\""u8, 0xE2, 0x82]);
        Assert.Same(Configuration.Dead, constraint.After(half, "\""u8));
        Assert.NotSame(Configuration.Dead, constraint.After(half, [0xAC, (byte)'"']));
    }

    public static TheoryData<string, string[], string[]> Lists => new()
    {
        { """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["b"]}""", ["""{"b":""}""", """{"a":-5,"b":"x"}""", """{ "a": 1, "b": "" }"""], ["{}", """{"a":1}""", """{"b":"","a":1}""", """{"a":1.5,"b":""}"""] },
        { """{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}}""", ["{}", """{"a":1}""", """{"b":2}""", """{"c":3}""", """{"a":1,"c":3}""", """{"a":1,"b":2,"c":3}""", """{"b":2,"c":3}"""], ["""{,"b":2}""", """{"a":1,}""", """{"a":1"b":2}"""] },
        { """{"type":"integer","minimum":-3,"maximum":12}""", ["-3", "-1", "0", "7", "10", "12"], ["-4", "-0", "13", "100", "01", "1.0"] },
        { """{"type":"integer","exclusiveMinimum":99,"exclusiveMaximum":1001}""", ["100", "999", "1000"], ["99", "1001", "10", "9999"] },
        { """{"type":"number","minimum":0.5,"maximum":2.25}""", ["0.5", "0.50", "1", "1.999", "2", "2.25", "2.2", "2.2500"], ["0", "0.4", "0.49", "2.26", "2.251", "3", "-1"] },
        { """{"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":0}""", ["-1.4", "-1", "-0.001", "-1.49999"], ["-1.5", "-1.50", "0", "-0", "-2", "1"] },
        { """{"type":"integer","multipleOf":3}""", ["0", "3", "-9", "12", "999999999999999999", "-111"], ["1", "-1", "10", "3.0", "03", "-0"] },
        { """{"type":"integer","multipleOf":2.5}""", ["0", "5", "-10", "1234567890"], ["1", "2", "12", "2.5"] },
        { """{"type":"integer","multipleOf":12,"minimum":-20,"exclusiveMaximum":120}""", ["-12", "0", "12", "96", "108"], ["-24", "120", "6", "24.0"] },
        { """{"type":"number","multipleOf":0.01,"minimum":-0.05,"maximum":12.5}""", ["0.00", "-0.05", "-0.01", "3.14", "12.50", "10.00"], ["-0.06", "12.51", "0.001", "01.00", "-0.00"] },
        { """{"type":"number","multipleOf":0.75}""", ["0.00", "0.75", "-1.50", "3.00", "750.00"], ["0.25", "1.00", "-0.70"] },
        { """{"type":"number","multipleOf":250,"exclusiveMinimum":250}""", ["500", "750", "1000", "12250"], ["250", "0", "-250", "600"] },
        { """{"type":"string","minLength":1,"maxLength":2}""", ["\"a\"", "\"é€\"", "\"\\n😀\"", "\"\\ud83d\\ude00x\""], ["\"\"", "\"abc\""] },
        { """{"type":"string","pattern":"b+"}""", ["\"b\"", "\"abba\"", "\"\\\"b\\\\\""], ["\"\"", "\"aaa\""] },
        { """{"type":"array","items":{"enum":["x",null]},"minItems":1,"maxItems":2}""", ["[\"x\"]", "[null, \"x\"]", "[\n  null\n]"], ["[]", "[null,null,null]", "[\"y\"]", "[null,]"] },
        { """{"anyOf":[{"const":"ab"},{"const":"abc"},{"type":"integer"}]}""", ["\"ab\"", "\"abc\"", "12"], ["\"a\"", "\"abcd\"", "1.5"] },
        { """{"type":"string","format":"date"}""", ["\"2024-02-28\"", "\"1999-12-31\""], ["\"2024-02-30\"", "\"2024-13-01\"", "\"24-01-01\""] },
    };

    [Theory, MemberData(nameof(Lists))]
    public void What_a_schema_accepts_can_be_written_and_what_it_does_not_cannot(string schema, string[] good, string[] bad)
    {
        var constraint = Of(schema);
        foreach (var document in good) Assert.True(Documents.Allows(constraint, document) && Documents.Allows(constraint, document, bytewise: true), $"{schema} should allow {document}");
        foreach (var document in bad) Assert.False(Documents.Allows(constraint, document), $"{schema} should not allow {document}");
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string","contentEncoding":"base64"}}}""", "\"contentEncoding\" at #/properties/a/contentEncoding")]
    [InlineData("""{"oneOf":[{"type":"string"}]}""", "\"oneOf\" at #/oneOf")]
    [InlineData("""{"type":"array","items":{"type":"integer","multipleOf":0}}""", "#/items/multipleOf is 0")]
    [InlineData("""{"type":"integer","multipleOf":99991}""", "#/multipleOf is 99991")]
    [InlineData("""{"type":"integer","multipleOf":7,"minimum":8,"maximum":13}""", "no document satisfies it")]
    [InlineData("""{"type":"array","items":{},"uniqueItems":true}""", "\"uniqueItems\" at #/uniqueItems")]
    [InlineData("""{"type":"object","additionalProperties":{"type":"string"}}""", "#/additionalProperties is")]
    [InlineData("""{"type":"object","patternProperties":{}}""", "\"patternProperties\" at #/patternProperties")]
    [InlineData("""{"type":"object","properties":{"a/b":{"not":{}}}}""", "\"not\" at #/properties/a~1b/not")]
    [InlineData("""{"type":"object","required":["z"]}""", "#/required names \"z\"")]
    [InlineData("""{"type":"text"}""", "#/type is \"text\"")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "#/$ref is \"#/$defs/none\"")]
    [InlineData("""{"$ref":"https://example.com/x"}""", "#/$ref is")]
    [InlineData("""{"enum":[]}""", "#/enum is []")]
    [InlineData("""{"enum":["a"],"type":"integer"}""", "holds no value of the type integer")]
    [InlineData("""{"type":"string","pattern":"(a"}""", "#/pattern: The regular expression holds a ( without its ) at character 0")]
    [InlineData("""{"type":"string","format":"regex"}""", "#/format is \"regex\"")]
    [InlineData("""{"type":"array","minItems":3,"maxItems":2}""", "#/maxItems is 2")]
    [InlineData("""{"type":"integer","minimum":5,"maximum":4}""", "no document satisfies it")]
    [InlineData("""{"$ref":"#"}""", "refers to itself with nothing between")]
    [InlineData("""{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}}}""", "refers to itself with nothing between")]
    [InlineData("""{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}""", "no document satisfies it with at most 8 objects")]
    [InlineData("""{"type":"object",""", "The schema is no JSON")]
    [InlineData("[1]", "# is [1]")]
    [InlineData("""{"const":"\ud800"}""", "no text")]
    public void What_cannot_be_followed_is_refused_by_name_and_place(string schema, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Of(schema)).Message);

    [Fact]
    public void Objects_within_each_other_end_at_the_greatest_depth()
    {
        const string schema = """{"type":"object","properties":{"in":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["in"]}""";
        Assert.True(Documents.Allows(Of(schema, 3), """{"in":{"in":{"in":null}}}"""));
        Assert.False(Documents.Allows(Of(schema, 3), """{"in":{"in":{"in":{"in":null}}}}"""));
        const string flat = """{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"const":1}}}}}""";
        Assert.True(Documents.Allows(Of(flat, 2), """{"a":{"b":1}}"""));
        Assert.False(Documents.Allows(Of(flat, 1), """{"a":{"b":1}}"""));
        Assert.True(Documents.Allows(Of(flat, 1), "{}"));
        // A model that wants nothing but to go deeper still has to come back.
        for (var seed = 0; seed < 10; seed++) AssertValid(schema, Documents.Write(Of(schema, 3), seed, 200, hostile: true).Text, $"seed {seed}");
    }

    [Fact]
    public void A_document_is_closed_before_the_tokens_run_out()
    {
        const string schema = """{"type":"object","properties":{"list":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}},"end":{"const":"the end"}},"required":["list","end"]}""";
        var constraint = Of(schema);
        var shortest = """{"list":[],"end":"the end"}""".Length;
        Assert.Equal(shortest, constraint.Start().ClosingTokens);
        for (var room = shortest; room < shortest + 80; room++)
        {
            var (text, finish, tokens) = Documents.Write(constraint, room, room, hostile: room % 2 == 0);
            AssertValid(schema, text, $"room {room}");
            Assert.True(tokens <= room);
            if (room == shortest) Assert.Equal(FinishReason.Length, finish);
        }
        // Where there is no room for any document, the cut one is marked as such.
        var cut = Documents.Write(constraint, 1, 3);
        Assert.Equal((FinishReason.Length, 3), (cut.Finish, cut.Tokens));
    }

    [Fact]
    public void The_end_token_is_allowed_exactly_where_the_document_may_end()
    {
        var end = Documents.Tokenizer.EndOfText;
        var constraint = Of("""{"type":"integer"}""");
        var options = new SamplingOptions { Temperature = 0, Constraint = constraint, StopTokens = [end], MaxTokens = 30 };
        var chooser = new TokenChooser(options, new SamplerMemories(Documents.Tokenizer.VocabSize), 0, 30, Documents.Tokenizer);
        var logits = new float[Documents.Tokenizer.VocabSize];
        logits[end] = 10;
        logits[Documents.Tokenizer.Encode("7")[0]] = 5;
        Assert.Equal(Documents.Tokenizer.Encode("7")[0], chooser.Next(logits, out var logProb));   // not before there is a number
        Assert.True(logProb < -4);                                                                  // as the model sees it, not the constraint
        Assert.Equal(end, chooser.Next(logits, out _));
        Assert.Equal(FinishReason.Stop, chooser.Finish);
    }

    [Fact]
    public void A_token_under_a_constraint_that_has_been_here_before_allocates_nothing()
    {
        var options = new SamplingOptions { Seed = 2, TopP = 0.9, Constraint = OutputConstraint.Regex("([ab]|c{2})*", Documents.Tokenizer), MaxTokens = 90, StopTokens = [Documents.Tokenizer.EndOfText], MinTokens = 90 };
        var chooser = new TokenChooser(options, new SamplerMemories(Documents.Tokenizer.VocabSize), 0, 90, Documents.Tokenizer);
        var logits = new float[Documents.Tokenizer.VocabSize];
        for (var i = 0; i < 50; i++) chooser.Next(logits, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 30; i++) chooser.Next(logits, out _);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void A_document_to_which_nothing_can_be_added_ends_without_a_stop_token()
    {
        var (text, finish, _) = Documents.Write(Of("""{"const":{"a":[1]}}"""), 1);
        Assert.Equal("""{"a":[1]}""", text.TrimStart());
        Assert.Equal(FinishReason.Stop, finish);
    }

    [Fact]
    public void A_constraint_can_be_shared_by_completions_of_a_batch_and_changes_nothing_between_them()
    {
        using var tiny = new TinyModel(Documents.Tokenizer.VocabSize, context: 128);
        var constraint = OutputConstraint.Json(Documents.Tokenizer);
        var engine = new InferenceEngine(tiny.Decoder, tokenizer: Documents.Tokenizer);
        var options = new SamplingOptions { Seed = 4, Constraint = constraint, MaxTokens = 60, StopTokens = [Documents.Tokenizer.EndOfText] };
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => new GenerationRequest([1 + i], i == 3 ? options with { Constraint = null } : options, i))];
        var together = engine.Generate(requests);
        for (var i = 0; i < requests.Length; i++)
        {
            Assert.Equal(engine.Generate([requests[i]])[0].Tokens, together[i].Tokens);
            if (i != 3) JsonDocument.Parse(together[i].Text!).Dispose();
        }
        using var other = new TinyModel(50);
        Assert.Contains($"vocabulary of {Documents.Tokenizer.VocabSize}", Assert.Throws<ArgumentException>(() => other.Engine().Generate([[1]], options with { StopTokens = [] })).Message);
    }

    [Fact]
    public void Masks_of_a_large_vocabulary_equal_reading_every_token()
    {
        Assert.True(Gpt35.Tokenization.KnownVocabularies.TryGet("cl100k_base", out var tokenizer));
        var constraint = OutputConstraint.Json(tokenizer);
        foreach (var begin in (string[])["", "{", "{\"", "{\"a\":", "{\"a\": \"x", "{\"a\":[1", "{\"a\":[{\"b\":\"\\"])
        {
            var cursor = constraint.Start();
            foreach (var token in tokenizer.EncodeBytes(Encoding.UTF8.GetBytes(begin))) cursor.Advance(token);
            var mask = cursor.Mask().ToArray();
            for (var id = 0; id < 100_256; id++) Assert.True(cursor.ClosingTokensAfter(id) < ClosingCosts.Never == TokenMask.Has(mask, id), $"after '{begin}' token {id}");
            foreach (var special in tokenizer.SpecialTokens.Values) Assert.False(TokenMask.Has(mask, special));
        }
    }
}
