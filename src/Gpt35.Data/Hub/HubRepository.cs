namespace Gpt35.Data;

/// <summary>A model or data set of a hub by name and revision, and its addresses in the layout of Hugging Face.</summary>
/// <param name="Name">"owner/name", or "name" for the oldest models.</param>
/// <param name="Revision">Branch, tag or commit.</param>
/// <param name="IsDataset">A data set rather than a model.</param>
public sealed record HubRepository(string Name, string Revision, bool IsDataset)
{
    private const string DatasetPrefix = "datasets/";

    /// <summary>Reads what a user types: "owner/name" or "datasets/owner/name".</summary>
    /// <exception cref="InvalidDataException">It is no name.</exception>
    public static HubRepository Parse(string text, string revision)
    {
        var isDataset = text.StartsWith(DatasetPrefix, StringComparison.Ordinal);
        var name = isDataset ? text[DatasetPrefix.Length..] : text;
        var parts = name.Split('/');
        if (parts.Length > 2 || parts.Any(part => part is "" or "." or ".." || part.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter is not ('-' or '_' or '.'))))
            throw new InvalidDataException($"\"{text}\" is not the name of a model or data set; expected owner/name or datasets/owner/name, for example openai-community/gpt2.");
        if (revision.Length == 0 || revision.Any(char.IsControl)) throw new InvalidDataException($"The revision is \"{revision}\"; expected a branch, tag or commit, for example main.");
        return new HubRepository(name, revision, isDataset);
    }

    /// <summary>The name without its owner: the folder it is written to by default.</summary>
    public string ShortName => Name[(Name.LastIndexOf('/') + 1)..];

    public override string ToString() => $"{(IsDataset ? DatasetPrefix : "")}{Name} at {Revision}";

    internal string ListingPath => $"api/{(IsDataset ? "datasets" : "models")}/{Name}/revision/{Uri.EscapeDataString(Revision)}?blobs=true";

    internal string FilePath(string path) =>
        $"{(IsDataset ? DatasetPrefix : "")}{Name}/resolve/{Uri.EscapeDataString(Revision)}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}";
}
