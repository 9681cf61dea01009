namespace Gpt35.Data.TinyWorld;

/// <summary>The kinds of instruction of the world; every table of results has one row for each.</summary>
public enum InstructionKind
{
    /// <summary>"Where does Tom live?"</summary>
    Fact,
    /// <summary>"Does Tom live by the lake?"</summary>
    YesNo,
    /// <summary>A question whose answer the world does not hold: "What is Tom's shoe size?"</summary>
    Unknown,
    /// <summary>"What is 7 plus 5?"</summary>
    Arithmetic,
    /// <summary>"Count from 3 to 8."</summary>
    Counting,
    /// <summary>"Which is bigger, the cow or the mouse?"</summary>
    Comparing,
    /// <summary>"Name three animals, but not the cow."</summary>
    Listing,
    /// <summary>"Say this list backwards: lake, dog, soup."</summary>
    Reversing,
    /// <summary>"Put these numbers in order from small to big: 9, 2, 14."</summary>
    Sorting,
    /// <summary>"Write the word lake in capitals."</summary>
    Case,
    /// <summary>"What is the opposite of hot?"</summary>
    Opposite,
    /// <summary>"Tell this story in one sentence: …"</summary>
    Summary,
    /// <summary>"Go on with this story: …"</summary>
    Continuation,
    /// <summary>A second question that says "he", "she" or "it".</summary>
    FollowUp,
    /// <summary>A question under a system message such as "Answer in one word."</summary>
    SystemMessage,
    /// <summary>A request for help with harm.</summary>
    Harmful,
    /// <summary>A harmless request in the words of a harmful one: "How can I kill time at the harbour?"</summary>
    LookAlike,
}
