using System.CommandLine;
using System.Globalization;
using Gpt35.Cli.Terminal;
using Gpt35.Data;
using Gpt35.Training;

namespace Gpt35.Cli.Verbs;

/// <summary><c>gpt35 pull NAME</c>: a model or data set from a hub, resumable and checked.</summary>
internal static class PullVerb
{
    private const string DefaultEndpoint = "https://huggingface.co", EndpointVariable = "HF_ENDPOINT", TokenVariable = "HF_TOKEN";

    public static Command Create(Session session)
    {
        var name = new Argument<string>("name") { Description = "owner/name of a model or data set; datasets/owner/name for a data set of a name that models have too." };
        var revision = new Option<string>("--revision") { Description = "Branch, tag or commit." }.WithDefault("main");
        var output = new Option<string?>("--out") { Description = "Folder to write to. Default: one of the repository's name." };
        var endpoint = new Option<string?>("--endpoint") { Description = $"Address of the hub. Default: {EndpointVariable}, else {DefaultEndpoint}." };
        var include = new Option<string[]>("--include") { Description = "Fetch only files that match, such as '*.safetensors'; repeat for more.", HelpName = "glob" };
        var command = new Command("pull", $"Fetch a model or data set from a hub. {TokenVariable} holds the access token, where one is needed.") { name, revision, output, endpoint, include };
        command.SetAction(parsed =>
        {
            var repository = HubRepository.Parse(parsed.GetRequiredValue(name), parsed.GetRequiredValue(revision));
            var folder = parsed.GetValue(output) ?? repository.ShortName;
            if (File.Exists(folder)) throw new IOException($"{folder} is a file; expected the name of a folder to write into. Choose another --out.");
            var options = new HubOptions { Endpoint = EndpointOf(parsed.GetValue(endpoint)), Token = Environment.GetEnvironmentVariable(TokenVariable) };
            try
            {
                var result = RunDisplay.Show(session, parsed, json: false, observer =>
                    Hub.PullAsync(repository, folder, parsed.GetValue(include) ?? [], options, new Progress(observer, session.Time), session.Cancel).GetAwaiter().GetResult());
                if (result.Unverified.Count > 0) session.Say(parsed, $"The hub lists no checksum for {string.Join(", ", result.Unverified)}; only the length of what arrived was checked.");
                session.Say(parsed, $"{result.Repository}: {result.Fetched.Count} files fetched, {result.Present.Count} already there, in {folder}");
            }
            catch (OperationCanceledException)
            {
                throw new StoppedException($"Stopped; what has arrived is kept in {folder}.\nThe same command goes on from there.");
            }
            return ExitCode.Done;
        });
        return command;
    }

    private static Uri EndpointOf(string? given)
    {
        var text = given ?? (Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 } variable ? variable : DefaultEndpoint);
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new InvalidDataException($"The endpoint is \"{text}\"; expected an address such as {DefaultEndpoint}, from --endpoint or {EndpointVariable}.");
    }

    /// <summary>Shows bytes as steps of a megabyte.</summary>
    private sealed class Progress(IRunObserver observer, TimeProvider time) : IHubObserver
    {
        private const int Megabyte = 1_000_000;

        private readonly long start = time.GetTimestamp();
        private long first = -1;
        private int shown = -1;

        public void Listed(HubRepository repository, int files, long bytes) => observer.Started(
            "pull, MB", (int)Math.Min(int.MaxValue, Math.Max(1, (bytes + Megabyte - 1) / Megabyte)), string.Create(CultureInfo.InvariantCulture, $"{repository}: {files} files, {bytes / (double)Megabyte:N1} MB"));

        public void Reached(long bytes)
        {
            if (first < 0) first = bytes;                              // what an earlier run left does not count as speed
            var megabytes = (int)Math.Min(int.MaxValue, bytes / Megabyte);
            if (megabytes == shown || megabytes == 0) return;
            shown = megabytes;
            var seconds = time.GetElapsedTime(start).TotalSeconds;
            observer.Step(megabytes, new Dictionary<string, double> { ["megabytes_per_second"] = seconds > 0 ? (bytes - first) / (seconds * Megabyte) : 0 });
        }
    }
}
