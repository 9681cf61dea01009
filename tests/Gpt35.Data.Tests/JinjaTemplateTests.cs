namespace Gpt35.Data.Tests;

public class JinjaTemplateTests
{
    [Fact]
    public void Chatml_is_the_template_that_everybody_writes() => Assert.Equal(
        "{% for message in messages %}" +
        "{% if message['role'] == 'system' %}{{ '<|im_start|>system\\n' }}{{ message['content'] }}{{ '<|im_end|>\\n' }}" +
        "{% elif message['role'] == 'user' %}{{ '<|im_start|>user\\n' }}{{ message['content'] }}{{ '<|im_end|>\\n' }}" +
        "{% elif message['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}{{ message['content'] }}{{ '<|im_end|>\\n' }}" +
        "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        ChatFormat.ChatMl.ToJinja());

    [Fact]
    public void Llama_2_puts_the_system_message_into_the_first_question()
    {
        var jinja = ChatFormat.ByName("llama-2").ToJinja();
        Assert.Contains("{% set ns.system = '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' %}", jinja);
        Assert.Contains("{{ '<s>[INST] ' }}{{ ns.system }}{% set ns.system = '' %}{{ message['content'] | trim }}{{ ' [/INST]' }}", jinja);
    }

    [Fact]
    public void Vicuna_has_a_system_message_of_its_own_with_its_quotes_escaped() =>
        Assert.StartsWith("{{ bos_token }}{% if messages[0]['role'] != 'system' %}{{ 'A chat between a curious user", ChatFormat.ByName("vicuna").ToJinja());

    [Fact]
    public void Alpaca_refuses_a_system_message() => Assert.Contains("raise_exception", ChatFormat.ByName("alpaca").ToJinja());
}
