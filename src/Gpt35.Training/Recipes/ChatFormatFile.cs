using Gpt35.Data;

namespace Gpt35.Training;

/// <summary>Chat formats as recipes name them.</summary>
public static class ChatFormatFile
{
    /// <summary>A built-in format by its name, or one's own by the path of a YAML file (.yaml or .yml) with the keys of <see cref="ChatTemplate"/>.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">There is no such name; or the file has an unknown key, lacks one or contradicts itself.</exception>
    public static ChatFormat Find(string nameOrPath)
    {
        if (!nameOrPath.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) && !nameOrPath.EndsWith(".yml", StringComparison.OrdinalIgnoreCase))
            return ChatFormat.ByName(nameOrPath);
        if (!File.Exists(nameOrPath))
            throw new FileNotFoundException($"{nameOrPath}: no such chat format file. Give the path of a YAML file as docs/chat-formats.md shows it, or one of the names {string.Join(", ", ChatFormat.BuiltIn.Select(format => format.Name))}.", nameOrPath);
        var template = RecipeFile.Load<ChatTemplate>(nameOrPath);
        try
        {
            return ChatFormat.Define(template);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{nameOrPath}: {e.Message}", e);
        }
    }
}
