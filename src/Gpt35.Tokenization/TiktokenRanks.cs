using System.Buffers;
using System.Buffers.Text;

namespace Gpt35.Tokenization;

/// <summary>tiktoken's rank files: a line per token, its bytes in base64, a space, its id. Ids ascend; some may be left out.</summary>
internal static class TiktokenRanks
{
    /// <param name="content">The file.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="preTokenizer">The pattern that belongs to it.</param>
    /// <param name="specials">Special tokens, on ids that the file leaves out.</param>
    public static Vocabulary Read(ReadOnlySpan<byte> content, string file, PreTokenizer preTokenizer, KeyValuePair<string, int>[] specials)
    {
        var bytes = new byte[content.Length];
        var starts = new List<int>(content.Length / 16);
        var (at, line) = (0, 0);
        while (!content.IsEmpty)
        {
            line++;
            var end = content.IndexOf((byte)'\n');
            var row = (end < 0 ? content : content[..end]).TrimEnd((byte)'\r');
            content = end < 0 ? [] : content[(end + 1)..];
            if (row.IsEmpty) continue;
            var space = row.IndexOf((byte)' ');
            if (space <= 0 || !Utf8Parser.TryParse(row[(space + 1)..], out int id, out var used) || used < row.Length - space - 1 || id < starts.Count ||
                id > 2 * starts.Count + 1024 || Base64.DecodeFromUtf8(row[..space], bytes.AsSpan(at), out _, out var length) != OperationStatus.Done || length == 0)
                throw new InvalidDataException($"{file}:{line}: expected a token in base64, a space, and an id greater than the one before.");
            while (starts.Count <= id) starts.Add(at);
            at += length;
        }
        var size = Math.Max(starts.Count, specials.Max(special => special.Value) + 1);
        while (starts.Count <= size) starts.Add(at);
        return new Vocabulary(bytes, [.. starts], specials) { PreTokenizer = preTokenizer };
    }
}
