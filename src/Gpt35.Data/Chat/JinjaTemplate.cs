using System.Text;

namespace Gpt35.Data;

/// <summary>
/// A chat format as the Jinja template that Hugging Face's libraries and llama.cpp read. It writes what <see cref="ChatFormat"/> writes for every conversation
/// that the format takes, as text: in it, other programs find special tokens in contents too. Alpaca's separate input is left out, which
/// their messages do not have.
/// </summary>
internal static class JinjaTemplate
{
    public static string Of(ChatTemplate template)
    {
        var text = new StringBuilder();
        var trim = template.OuterSpace == OuterSpace.Trim ? " | trim" : "";
        var inUserTurn = template.System?.Place == SystemPlace.FirstUserTurn;
        // The tokenizer puts its own token first where it has one; a template says so by this variable.
        if (template.Bos is not null) text.Append("{{ bos_token }}");
        if (template.System is { Default: { } standard } own)
            text.Append($"{{% if messages[0]['role'] != 'system' %}}{Text(own.Prefix + standard + own.Suffix)}{{% endif %}}");
        if (inUserTurn) text.Append("{% set ns = namespace(system='') %}");
        text.Append("{% for message in messages %}");
        text.Append("{% if message['role'] == 'system' %}");
        if (template.System is null) text.Append("{{ raise_exception('This chat format has no place for a system message.') }}");
        else if (inUserTurn) text.Append($"{{% set ns.system = {Quoted(template.System.Prefix)} + message['content'] + {Quoted(template.System.Suffix)} %}}");
        else text.Append(Text(template.System.Prefix)).Append("{{ message['content'] }}").Append(Text(template.System.Suffix));
        text.Append("{% elif message['role'] == 'user' %}").Append(Text(template.User.Prefix));
        if (inUserTurn) text.Append("{{ ns.system }}{% set ns.system = '' %}");
        text.Append($"{{{{ message['content']{trim} }}}}").Append(Text(template.User.Suffix));
        text.Append("{% elif message['role'] == 'assistant' %}");
        text.Append(Text(template.Assistant.Prefix + template.Assistant.Lead)).Append($"{{{{ message['content']{trim} }}}}");
        text.Append(Text(template.Assistant.Tail + template.Assistant.End + template.Assistant.Suffix));
        text.Append("{% endif %}{% endfor %}");
        if (template.Assistant.Prefix.Length > 0) text.Append($"{{% if add_generation_prompt %}}{Text(template.Assistant.Prefix)}{{% endif %}}");
        return text.ToString();
    }

    private static string Text(string text) => text.Length == 0 ? "" : $"{{{{ {Quoted(text)} }}}}";

    private static string Quoted(string text) => "'" + text.Replace("\\", "\\\\").Replace("'", "\\'").Replace("\n", "\\n") + "'";
}
