using CsCheck;
using Xunit;

namespace Gpt35.Kernels.Tests;

public class SharesTests
{
    [Fact]
    public void Parts_cover_all_items_once_and_in_order_in_whole_units() =>
        Gen.Select(Gen.Int[1, 5000], Gen.Int[1, 9], Gen.Int[1, 5], Gen.Int[1, 300]).Sample((count, threads, unit, least) =>
        {
            var shares = new Shares(count, threads, unit, least);
            var next = 0;
            for (var part = 0; part < shares.Parts; part++)
            {
                var (first, end) = shares.Part(part);
                Assert.Equal(next, first);
                Assert.True(first <= end && (first % unit == 0 || first == count));
                next = end;
            }
            Assert.Equal(count, next);
            Assert.Equal(0, shares.Parts % threads);
        });

    [Fact]
    public void A_share_falls_into_halves_of_what_is_left()
    {
        var shares = new Shares(100, 2, 1, 10);
        Assert.Equal([(0, 25), (25, 38), (38, 50), (50, 75), (75, 88), (88, 100)], Enumerable.Range(0, shares.Parts).Select(shares.Part));
        Assert.Equal([(0, 7)], Enumerable.Range(0, Shares.Whole(7).Parts).Select(Shares.Whole(7).Part));
    }
}
