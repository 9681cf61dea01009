using CsCheck;

namespace Gpt35.Data.Tests;

public sealed class DecontaminationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static string Words(int from, int count) => string.Join(' ', Enumerable.Range(from, count).Select(i => $"w{i}"));

    [Fact]
    public void Thirteen_words_in_common_are_found_and_twelve_are_not()
    {
        var tests = new Decontamination();
        tests.AddTest(Words(0, 40), "test.jsonl:7");
        var overlap = tests.Find($"before {Words(20, 13).ToUpperInvariant().Replace(" ", ", ")} after");
        Assert.Equal(new Overlap(Words(20, 13), "test.jsonl:7"), overlap);
        Assert.Null(tests.Find($"before {Words(20, 12)} after"));
    }

    [Fact]
    public void A_short_test_is_looked_for_as_a_whole_and_one_shorter_still_is_ignored()
    {
        var tests = new Decontamination();
        tests.AddTest("What is the capital city of South Africa?", "a");      // eight words
        tests.AddTest("What is two plus two?", "b");
        Assert.Equal(1, tests.Ignored);
        Assert.Equal("a", tests.Find("Q: what is the capital city of South Africa A: there are three")!.Value.Test);
        Assert.Null(tests.Find("what is the capital city of South Korea"));
        Assert.Null(tests.Find("What is two plus two?"));
    }

    /// <summary>Texts of three different words, so that runs often coincide and often nearly do.</summary>
    private static readonly Gen<string> Text = Gen.Int[0, 2].Array[0, 14].Select(words => string.Join(' ', words.Select(word => "abc"[word])));

    [Fact]
    public void What_is_found_is_what_comparing_every_run_with_every_run_finds() =>
        Gen.Select(Text.Array[0, 6], Text.Array[1, 6], Gen.Int[2, 7], Gen.Int[1, 7]).Sample((tests, texts, n, shortest) =>
        {
            shortest = Math.Min(shortest, n);
            var found = new Decontamination(n, shortest);
            foreach (var test in tests) found.AddTest(test, test);
            foreach (var text in texts) Assert.Equal(tests.Any(test => Shares(text, test, n, shortest)), found.Find(text) is not null);
        }, iter: 500);

    private static bool Shares(string text, string test, int n, int shortest)
    {
        string[] a = text.Split(' ', StringSplitOptions.RemoveEmptyEntries), b = test.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var length = Math.Min(n, b.Length);
        if (length < shortest || length == 0) return false;
        for (var i = 0; i + length <= a.Length; i++)
            for (var j = 0; j + length <= b.Length; j++)
                if (a.AsSpan(i, length).SequenceEqual(b.AsSpan(j, length))) return true;
        return false;
    }

    [Fact]
    public void Every_text_of_a_test_file_counts_whatever_its_columns()
    {
        var file = folder.File("test.jsonl",
            $"{{\"question\": \"{Words(0, 9)}\", \"choices\": [\"no\", \"{Words(100, 9)}\"], \"meta\": {{\"passage\": \"{Words(200, 20)}\"}}}}");
        var tests = new Decontamination();
        tests.AddFile(file);
        tests.AddFile(folder.File("test.txt", $"{Words(300, 15)}\n\n{Words(400, 15)}"));
        Assert.Equal(1, tests.Ignored);
        Assert.All((int[])[0, 100], from => Assert.Equal($"{file}:1", tests.Find(Words(from, 9))!.Value.Test));
        Assert.Equal($"{file}:1", tests.Find(Words(205, 14))!.Value.Test);
        Assert.EndsWith("test.txt, document 2", tests.Find(Words(400, 15))!.Value.Test);
    }
}
