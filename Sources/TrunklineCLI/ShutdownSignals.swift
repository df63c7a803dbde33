import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once with 143 or 130
/// (docs/protocol.md, section 13). Lives on the shard's loop.
final class ShutdownSignals {
    private enum State { case serving, ending }

    private var state = State.serving
    private let begin: (ProcessSignal) -> Void

    private init(_ begin: @escaping (ProcessSignal) -> Void) { self.begin = begin }

    /// `begin` is called once, on the loop.
    static func watch(
        on environment: ShardEnvironment, _ begin: @escaping (ProcessSignal) -> Void
    ) throws(ShardError) {
        let signals = ShutdownSignals(begin)
        environment.keep(signals)
        for signal in [ProcessSignal.terminate, .interrupt] {
            try environment.onSignal(signal) { [unowned signals] in signals.received(signal) }
        }
    }

    private func received(_ signal: ProcessSignal) {
        switch state {
        case .serving:
            state = .ending
            begin(signal)
        case .ending:
            _exit(ExitCode.signal(signal.number).rawValue)
        }
    }

    /// How long requests in flight may take to finish.
    static func drainLimit(after signal: ProcessSignal) -> Duration {
        switch signal {
        case .terminate, .hangUp: .seconds(30)
        case .interrupt: .seconds(5)
        }
    }
}
