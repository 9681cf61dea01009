using System.Text;
using Gpt35.Data;

namespace Gpt35.Evaluation;

/// <summary>UTF-8 text files, written whole or not at all.</summary>
internal static class TextFile
{
    public static void Write(string path, string text) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
