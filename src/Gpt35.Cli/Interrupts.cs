using System.Runtime.InteropServices;

namespace Gpt35.Cli;

/// <summary>Ctrl-C: the first press asks the running verb to finish its step and save, the second ends the process. Other signals, and a terminal that is closed, ask only.</summary>
internal sealed class Interrupts : IDisposable
{
    /// <summary>
    /// SIGUSR1, which mpirun and batch systems hand on to every process and then leave them the time they need; after SIGTERM mpirun kills within a second.
    /// .NET has no name for it and takes the system's number.
    /// </summary>
    private static readonly PosixSignal[] AskedToStop = OperatingSystem.IsLinux() ? [(PosixSignal)10] : OperatingSystem.IsMacOS() ? [(PosixSignal)30] : [];

    private readonly CancellationTokenSource stop = new();
    private readonly List<PosixSignalRegistration> registrations = [];
    private volatile Func<bool>? diverted;

    /// <summary>Cancelled by the first press.</summary>
    public CancellationToken Token => stop.Token;

    /// <summary>Interrupts fed by SIGINT, SIGTERM, SIGUSR1 and SIGHUP of this process. A signal that the process was started to ignore (nohup) stays ignored.</summary>
    /// <param name="announce">Called on the first press.</param>
    public static Interrupts OfProcess(Action announce)
    {
        var interrupts = new Interrupts();
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, .. AskedToStop])
            interrupts.registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                var first = !interrupts.Token.IsCancellationRequested;
                // Only a person at a terminal insists. Slurm says SIGTERM twice at a time limit, and SIGTERM after the SIGUSR1 it was told to give notice by.
                context.Cancel = interrupts.Press(insists: signal == PosixSignal.SIGINT);
                if (context.Cancel && first && interrupts.diverted is null) announce();
            }));
        // Shell and system may both say that the terminal is gone, so a second time is no second press.
        interrupts.registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            var first = !interrupts.Token.IsCancellationRequested;
            context.Cancel = interrupts.HangUp();
            if (context.Cancel && first) announce();
        }));
        return interrupts;
    }

    /// <summary>One press. Returns whether it was taken care of; if not, the process should end.</summary>
    /// <param name="insists">Whether one after the first is not to wait for the verb.</param>
    public bool Press(bool insists = true)
    {
        if (diverted is { } handler) return handler();
        if (stop.IsCancellationRequested) return !insists;
        stop.Cancel();
        return true;
    }

    /// <summary>The terminal is closed. Returns whether that is taken care of: a verb that has its presses diverted talks to somebody who is no longer there.</summary>
    public bool HangUp()
    {
        if (diverted is not null) return false;
        stop.Cancel();
        return true;
    }

    /// <summary>Until the result is disposed of, presses go to <paramref name="handler"/>, which returns whether it took care of them.</summary>
    public IDisposable Divert(Func<bool> handler)
    {
        var before = diverted;
        diverted = handler;
        return new Diversion(() => diverted = before);
    }

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        stop.Dispose();
    }

    private sealed class Diversion(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
