using static Gpt35.Tokenization.SpecialTokens;

namespace Gpt35.Data;

/// <summary>The published chat formats, as data. docs/chat-formats.md shows each with an example.</summary>
internal static class BuiltInTemplates
{
    private const string S = "<s>", EndS = "</s>";

    /// <summary>gpt-3.5-turbo (OpenAI's ChatML notes, 2023).</summary>
    public static ChatTemplate ChatMl { get; } = new()
    {
        Name = "chatml",
        SpecialTokens = [ImStart],
        System = new() { Prefix = $"{ImStart}system\n", Suffix = $"{ImEnd}\n" },
        User = new() { Prefix = $"{ImStart}user\n", Suffix = $"{ImEnd}\n" },
        Assistant = new() { Prefix = $"{ImStart}assistant\n", End = ImEnd, Suffix = "\n" },
    };

    /// <summary>
    /// text-davinci: the prompt is the user's text as it is; the model writes an empty line, the answer and &lt;|endoftext|&gt;, which is how
    /// text-davinci-003 answered.
    /// </summary>
    public static ChatTemplate Instruct { get; } = new()
    {
        Name = "instruct",
        Turns = TurnOrder.Single,
        System = new() { Suffix = "\n\n" },
        User = new(),
        Assistant = new() { Lead = "\n\n", End = EndOfText },
    };

    /// <summary>Touvron et al. 2023b; facebookresearch/llama, generation.py.</summary>
    public static ChatTemplate Llama2 { get; } = new()
    {
        Name = "llama-2",
        SpecialTokens = [S],
        Turns = TurnOrder.Alternating,
        OuterSpace = OuterSpace.Trim,
        System = new() { Prefix = "<<SYS>>\n", Suffix = "\n<</SYS>>\n\n", Place = SystemPlace.FirstUserTurn },
        User = new() { Prefix = $"{S}[INST] ", Suffix = " [/INST]" },
        Assistant = new() { Lead = " ", Tail = " ", End = EndS },
    };

    /// <summary>Chiang et al. 2023; lm-sys/FastChat, conversation.py, "vicuna_v1.1".</summary>
    public static ChatTemplate Vicuna { get; } = new()
    {
        Name = "vicuna",
        Bos = S,
        Turns = TurnOrder.Alternating,
        System = new()
        {
            Suffix = " ",
            Default = "A chat between a curious user and an artificial intelligence assistant. "
                + "The assistant gives helpful, detailed, and polite answers to the user's questions.",
        },
        User = new() { Prefix = "USER: ", Suffix = " " },
        Assistant = new() { Prefix = "ASSISTANT:", Lead = " ", End = EndS },
    };

    /// <summary>Taori et al. 2023; tatsu-lab/stanford_alpaca, train.py: the answer follows "### Response:" directly.</summary>
    public static ChatTemplate Alpaca { get; } = new()
    {
        Name = "alpaca",
        Bos = S,
        Turns = TurnOrder.Single,
        User = new()
        {
            Prefix = "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n",
            Suffix = "\n\n### Response:",
        },
        UserWithInput = new()
        {
            Prefix = "Below is an instruction that describes a task, paired with an input that provides further context. "
                + "Write a response that appropriately completes the request.\n\n### Instruction:\n",
            Separator = "\n\n### Input:\n",
            Suffix = "\n\n### Response:",
        },
        Assistant = new() { End = EndS },
    };

    /// <summary>Tunstall et al. 2023; HuggingFaceH4/zephyr-7b-beta, tokenizer_config.json. The role names are ordinary text there.</summary>
    public static ChatTemplate Zephyr { get; } = new()
    {
        Name = "zephyr",
        Bos = S,
        System = new() { Prefix = "<|system|>\n", Suffix = $"{EndS}\n" },
        User = new() { Prefix = "<|user|>\n", Suffix = $"{EndS}\n" },
        Assistant = new() { Prefix = "<|assistant|>\n", End = EndS, Suffix = "\n" },
    };
}
