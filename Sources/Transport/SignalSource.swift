import CLibuv

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A signal that asks something of the process.
package enum ProcessSignal: Sendable, CaseIterable {
    case terminate, interrupt, hangUp

    /// The operating system's number; a process that ends by it exits with 128 more.
    package var number: Int32 {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        }
    }
}

/// Hears one signal on a loop, each time it comes, until it is cancelled or the shard stops. The signal's default effect
/// is off meanwhile.
package final class SignalSource: LoopResource {
    private enum State { case watching, closed }

    private let environment: ShardEnvironment
    private let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
    private let action: () -> Void
    private var state = State.watching

    fileprivate init(
        _ signal: ProcessSignal, on environment: ShardEnvironment, _ action: @escaping () -> Void
    ) throws(ShardError) {
        self.environment = environment
        self.action = action
        var code = uv_signal_init(environment.loop, handle)
        guard code == 0 else {
            handle.deallocate()
            throw ShardError(step: .signal, code: code)
        }
        handle.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        environment.adopt(self)
        code = uv_signal_start(
            handle,
            { handle, _ in
                guard let data = handle?.pointee.data else { return }
                let source = Unmanaged<SignalSource>.fromOpaque(data).takeUnretainedValue()
                source.environment.enter { source.action() }
            }, signal.number)
        guard code == 0 else {
            cancel()
            throw ShardError(step: .signal, code: code)
        }
    }

    /// Gives the signal its default effect back, unless another source hears it.
    package func cancel() {
        guard case .watching = state else { return }
        state = .closed
        handle.pointee.data = nil
        uv_close(handlePointer(handle)) { handle in handle.map { UnsafeMutableRawPointer($0).deallocate() } }
        environment.release(self)
    }

    func shutDown() { cancel() }
}

extension ShardEnvironment {
    /// Runs `action` on the loop whenever `signal` comes.
    @discardableResult
    package func onSignal(_ signal: ProcessSignal, _ action: @escaping () -> Void) throws(ShardError) -> SignalSource {
        try SignalSource(signal, on: self, action)
    }
}

/// Writing to a socket whose peer has gone must be an error code, not the end of the process.
func ignoreBrokenPipeSignal() { _ = signal(SIGPIPE, SIG_IGN) }

@available(*, unavailable) extension SignalSource: Sendable {}
