import Pool

extension RelayMachine.Failure {
    /// What the buyer is told when nothing of the answer has reached it. What the provider said stays in the log.
    var answer: APIError {
        switch self {
        case .disconnected: .providerFailed
        case .timedOut, .endpointTimedOut: .providerTimeout
        case .endpointUnreachable: .providerFailed
        case .gapTimedOut, .internalError, .brokenStream, .sealBroken, .buyerTooSlow: .providerError
        case .modelNotLoaded: .modelNotLoaded
        case .contextExceeded: .contextExceeded
        case .queueFull, .notUnderstood: .noProvider
        case .shuttingDown: .shuttingDown
        }
    }

    /// What it says about the provider. Its time-outs count against it; being too fast for a buyer does not.
    var outcome: RequestOutcome {
        switch self {
        case .timedOut, .endpointTimedOut: .timedOut
        case .disconnected, .gapTimedOut, .internalError, .brokenStream, .sealBroken: .failed
        // Its state is seen to apart.
        case .endpointUnreachable: .refused
        case .modelNotLoaded, .contextExceeded, .queueFull, .notUnderstood: .refused
        case .shuttingDown, .buyerTooSlow: .cancelled
        }
    }

    var name: String {
        switch self {
        case .disconnected: "disconnected"
        case .timedOut: "timed_out"
        case .gapTimedOut: "gap_timed_out"
        case .modelNotLoaded: "model_not_loaded"
        case .contextExceeded: "context_exceeded"
        case .queueFull: "queue_full"
        case .internalError: "internal_error"
        case .brokenStream: "broken_stream"
        case .sealBroken: "seal_broken"
        case .shuttingDown: "shutting_down"
        case .buyerTooSlow: "buyer_too_slow"
        case .notUnderstood: "not_understood"
        case .endpointTimedOut: "endpoint_timed_out"
        case .endpointUnreachable: "endpoint_unreachable"
        }
    }
}
