using System.Net;
using System.Net.Http.Headers;

namespace Gpt35.Data;

/// <summary>Where a hub is and how to speak with it.</summary>
public sealed record HubOptions
{
    /// <summary>Base address, for example https://huggingface.co.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>Access token; sent to the endpoint itself and never to where it redirects.</summary>
    public string? Token { get; init; }

    /// <summary>Waits between tries.</summary>
    public Func<TimeSpan, CancellationToken, Task> Wait { get; init; } = Task.Delay;

    /// <summary>Free bytes on the disk of a folder.</summary>
    public Func<string, long> FreeSpace { get; init; } = folder => new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
}

/// <summary>Something that may well work when tried again: a dropped connection, a busy server.</summary>
internal sealed class TransientException(string message, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(message, inner)
{
    public TimeSpan? RetryAfter => retryAfter;
}

/// <summary>Requests to a hub: redirects by hand, so that the token stays at home; tries again what may work, and says in words what will not.</summary>
internal sealed class HubClient(HubOptions options) : IDisposable
{
    /// <summary>Tries in a row without a byte more than before.</summary>
    private const int MostFailures = 6;
    private const int MostRedirects = 10;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(30), UseCookies = false })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        DefaultRequestHeaders = { UserAgent = { new ProductInfoHeaderValue("gpt35", null) } },
    };

    public Uri Address(string path) => new(new Uri(options.Endpoint.AbsoluteUri.TrimEnd('/') + "/"), path);

    public void Dispose() => http.Dispose();

    /// <summary>Sends a GET and follows redirects. The body is not read yet.</summary>
    /// <exception cref="TransientException">The connection failed or the server is busy.</exception>
    /// <exception cref="FileNotFoundException">There is no such thing.</exception>
    /// <exception cref="UnauthorizedAccessException">It needs a token, or another one.</exception>
    public async Task<HttpResponseMessage> GetAsync(Uri address, RangeHeaderValue? range, EntityTagHeaderValue? ifRange, CancellationToken cancel)
    {
        for (var hops = 0; hops <= MostRedirects; hops++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            request.Headers.Range = range;
            if (ifRange is not null) request.Headers.IfRange = new RangeConditionHeaderValue(ifRange);
            if (options.Token is { Length: > 0 } token && IsHome(address)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            var response = await SendAsync(request, cancel).ConfigureAwait(false);
            if ((int)response.StatusCode is < 300 or >= 400 || response.Headers.Location is not { } location) return Checked(response, address);
            response.Dispose();
            address = new Uri(address, location);
            if (address.Scheme is not ("http" or "https")) break;
        }
        throw new IOException($"{address}: redirected more than {MostRedirects} times, or to an address that is not http. The hub is misconfigured; try another --endpoint.");
    }

    /// <summary>Tries until it works, fails for good, or has failed too often without getting further.</summary>
    /// <param name="what">What is fetched, for messages.</param>
    /// <param name="attempt">One try.</param>
    /// <param name="progress">Bytes there are; more than ever before makes the count begin anew.</param>
    /// <param name="cancel">Stops between tries.</param>
    /// <exception cref="IOException">It failed too often.</exception>
    public async Task<T> RetryAsync<T>(string what, Func<Task<T>> attempt, Func<long> progress, CancellationToken cancel)
    {
        var furthest = progress();
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientException e)
            {
                if (progress() > furthest) failures = 1;
                furthest = Math.Max(furthest, progress());
                if (failures == MostFailures)
                    throw new IOException($"{what}: {e.Message}, {MostFailures} times in a row. What has arrived is kept; run the same command later and it goes on from there.", e);
                await options.Wait(Backoff(failures, e.RetryAfter), cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>1, 2, 4, … seconds, or what the server asks for, up to a minute.</summary>
    private static TimeSpan Backoff(int failures, TimeSpan? asked)
    {
        var wait = asked ?? TimeSpan.FromSeconds(Math.Pow(2, failures - 1));
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait > LongestWait ? LongestWait : wait;
    }

    private bool IsHome(Uri address) =>
        Uri.Compare(address, options.Endpoint, UriComponents.SchemeAndServer, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase) == 0;

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw new TransientException($"no answer from {request.RequestUri!.Authority} ({e.Message})", inner: e);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new TransientException($"no connection to {request.RequestUri!.Authority}", inner: e);
        }
    }

    private HttpResponseMessage Checked(HttpResponseMessage response, Uri address)
    {
        var status = response.StatusCode;
        if (response.IsSuccessStatusCode || status == HttpStatusCode.RequestedRangeNotSatisfiable) return response;
        var retryAfter = response.Headers.RetryAfter?.Delta;
        response.Dispose();
        throw status switch
        {
            HttpStatusCode.NotFound or HttpStatusCode.Gone => new FileNotFoundException($"{address}: the hub has no such thing (status {(int)status}). Check the name, and the revision given with --revision."),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new UnauthorizedAccessException(
                $"{address}: the hub refuses (status {(int)status}); {(options.Token is null ? "it may be private or gated, or not exist. Put an access token into the environment variable HF_TOKEN" : "the token in HF_TOKEN does not reach it. Ask for access on the hub's page, or use another token")}."),
            HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => new TransientException($"the hub answered with status {(int)status}", retryAfter),
            _ => new IOException($"{address}: the hub answered with status {(int)status}, which gpt35 does not know what to do with. Is --endpoint a hub?"),
        };
    }
}
