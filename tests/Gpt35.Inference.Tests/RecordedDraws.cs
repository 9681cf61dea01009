using Gpt35.Kernels;

namespace Gpt35.Inference.Tests;

/// <summary>
/// Tokens that the sampler of release 0.1 drew, recorded before it was rewritten: a faster sampler must not change what a seed means.
/// </summary>
public sealed class RecordedDraws
{
    /// <summary>Logits of V tokens whose spread is that of a language model (about normal), exact in every arithmetic.</summary>
    private static float[] Logits(int size, ulong seed, float spread)
    {
        var logits = new float[size];
        for (var id = 0; id < size; id++)
        {
            var sum = 0f;
            for (var part = 0; part < 4; part++) sum += (CounterRandom.Hash(seed, (ulong)(id * 4 + part)) >> 52) / 4096f - 0.5f;
            logits[id] = sum * spread;
        }
        return logits;
    }

    private static string Draw(int size, float spread, SamplingOptions options, int draws)
    {
        var sampler = new Sampler(options, size);
        var hash = 14695981039346656037UL;
        for (var position = 0; position < draws; position++)
        {
            var token = sampler.Next(Logits(size, (ulong)(position % 3 + 1), spread), InferenceEngine.Uniform(11, 2, position), out _);
            hash = (hash ^ (ulong)token) * 1099511628211UL;
        }
        return hash.ToString("x16");
    }

    private static IEnumerable<(int Size, float Spread, SamplingOptions Options, int Draws)> Cases()
    {
        SamplingOptions[] kinds =
        [
            new(), new() { Temperature = 0 }, new() { Temperature = 0.7 }, new() { TopK = 40 }, new() { TopK = 3, Temperature = 1.3 }, new() { TopP = 0.5 },
            new() { TopP = 0.95 }, new() { TopP = 0.999, Temperature = 0.8 }, new() { TopK = 200, TopP = 0.9 },
        ];
        foreach (var (size, draws) in new[] { (50, 300), (1000, 300), (50257, 30) })
            foreach (var spread in new[] { 0.02f, 4f, 24f })
                foreach (var options in kinds) yield return (size, spread, options, draws);
    }

    /// <summary>By size and spread, a row each: a hash of the tokens of every kind of sampling.</summary>
    private static readonly string[] Recorded =
    [
        "14e9003f655b1499", "43274efbc8bfb0f9", "f3a3ab6086472570", "96252dd764583f35", "90ddc196b29ef062", "2befab9585208fdb", "ad59129bf5f93b7e", "4dd6081db3da83e2", "5e38b089b5f735c6",
        "f25a62800b5ab323", "43274efbc8bfb0f9", "06bf162664a69a87", "201574cbcadabe90", "2771f498664976e7", "8d79d6ceef327609", "32591d21c3a80c08", "1358dcc98e8c036d", "7c4b772502ddf964",
        "195221df0262022c", "43274efbc8bfb0f9", "a733a01d71b6b23d", "8a73c8c053c28455", "d14807405809bc48", "43274efbc8bfb0f9", "ecd801d254fe1f55", "0c0a234df107b9f5", "43274efbc8bfb0f9",
        "65a456463c297bb2", "e38fe1f998d022c9", "6ef0dc272c3f83a5", "7e96692c22386f26", "23a35ff0890a85ec", "48c3dfae735366bb", "d7430669f6bea8df", "ae9b813dbfc3b0ac", "a3c46bdc65c2e531",
        "bf74d1af3033c06c", "e38fe1f998d022c9", "e311b7bc1ecd1de6", "e13bfa6133dd0aa4", "c121723fea20acb1", "082b066862e09363", "d954aee9b7f3189e", "16d5bc24efbd9820", "8c2e786fea4c0769",
        "cc9bb092948a6446", "e38fe1f998d022c9", "f17f3190f2dfd598", "becb729958c6ef08", "43dfaf62da5e6b52", "e38fe1f998d022c9", "6ddc9a4097ec5082", "b3b1299037edff41", "7825d76e2bec7266",
        "5480e5135be4ceea", "6605f800212dd7b7", "e618a4a24810d4a3", "267eb3b81f22738c", "b470559bd8dc4570", "7036854e80040edc", "1f906e89aeef8536", "360785a41889b415", "a306faf704b34391",
        "8deb05c761de8459", "6605f800212dd7b7", "df2b397d2a6518e7", "64b01bfd7648457c", "ea824db630b2b5a7", "f981dea7c55c5132", "9f992ddfc962d7d0", "8fb5e37c59b6c26c", "225772f5388345ac",
        "6a016c7f15df64b1", "6605f800212dd7b7", "dbc9351fd66080fd", "b50aef9c806abed2", "2f2b66cc44cada3b", "24b92648b0564e0b", "51fa1468ba9216a6", "6235a91abb9bad91", "5a524d57b8b55137",
    ];

    [Fact]
    public void A_seed_means_the_tokens_it_meant_before() => Assert.Equal(Recorded, Cases().Select(c => Draw(c.Size, c.Spread, c.Options, c.Draws)));
}
