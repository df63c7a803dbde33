package import HTTPCodec
package import Pool
package import WebSocketCodec

/// Everything that an operator can set and the core needs. Defaults are those of docs/protocol.md, section 11.
package struct CoordinatorSettings: Sendable {
    package var pool = PoolSettings()
    package var routing = Routing()
    package var providerLink = ProviderLink()
    package var limits = Limits()
    package var timeouts = Timeouts()
    package var authentication = Authentication()
    package var versions = Versions()
    package var tier2 = Tier2()
    package var storage = Storage()
    /// What `/healthz` and `trunkline version` show.
    package var softwareVersion = "0.1.0"

    package init() {}

    package struct Routing: Sendable {
        /// Estimated prompt tokens above which a provider is asked first.
        package var preflightThresholdTokens = 4_096
        /// How long one candidate may take to answer a preflight.
        package var preflightTimeout = Duration.seconds(5)
        /// Longest silence of a provider within a request.
        package var requestTimeout = Duration.seconds(300)
        /// How long chunks behind a missing one are held.
        package var gapTimeout = Duration.seconds(5)
        /// How long a cancelled request keeps its slot while the provider says nothing.
        package var cancelTimeout = Duration.seconds(10)
    }

    package struct ProviderLink: Sendable {
        package var writer = FrameWriter.Limits()
        /// Largest message from a provider.
        package var messageByteCount = 4 * 1024 * 1024
        package var handshakeTimeout = Duration.seconds(10)
        package var unauthenticatedConnectionCount = 128
    }

    package struct Limits: Sendable {
        package var http = HTTPLimits()
        /// What may wait for one buyer before its request is given up.
        package var bufferedByteCountPerRequest = 4 * 1024 * 1024
        /// What may be on its way from the hub to one front; beyond it, buyers there count as slow.
        package var frontBacklogByteCount = 64 * 1024 * 1024
        /// Request bodies held in memory at once, over all buyers; beyond it new ones get 503.
        package var heldBodyByteCount = 512 * 1024 * 1024
        /// Bytes of following requests kept while one is being answered; beyond it the connection is not read.
        package var pipelinedByteCount = 64 * 1024
        /// Bytes of answers that wait for one peer; beyond it, its next request is not looked at.
        package var waitingAnswerByteCount = 256 * 1024
        /// Chunks held back behind a gap, per request.
        package var heldChunkCount = 256
    }

    package struct Timeouts: Sendable {
        /// From the first byte of a request head to its last.
        package var head = Duration.seconds(10)
        /// Grace for a request body, on top of one second per ``bodyBytesPerSecond``.
        package var body = Duration.seconds(30)
        package var bodyBytesPerSecond = 8 * 1024
        /// A kept-alive connection without a request.
        ///
        /// Longer than proxies keep an idle connection to what stands behind them (nginx 60 s, Caddy 120 s): they close
        /// first, so a request never meets a connection that is being closed.
        package var idle = Duration.seconds(150)
        /// One batch of at most 64 KiB to a buyer.
        package var buyerWrite = Duration.seconds(60)
        /// How long input is still read and thrown away after the last answer, so that the peer can read it.
        package var linger = Duration.seconds(2)
    }

    package struct Authentication: Sendable {
        package var operatorKey = ""
        package var requiresProviderToken = false
        package init() {}
    }

    package struct Storage: Sendable {
        /// How often the pool is written down for debugging; nil: never.
        package var snapshotInterval: Duration? = .seconds(300)
        /// How long an operator's question may wait for the storage.
        package var answerTimeout = Duration.seconds(10)
        package init() {}
    }

    /// Protocol version 2, the encrypted leg (docs/protocol.md, section 4).
    package struct Tier2: Sendable {
        /// Version 1 is refused.
        package var requiresEncryptedLeg = false
        /// With the built-in verifier, which knows no format, nobody of version 2 comes in then.
        package var requiresAttestation = false
        /// A session gets new keys after so many requests, or at this age.
        package var rekeyAfterRequests = 10_000
        package var rekeyAfter = Duration.seconds(86_400)
        package init() {}
    }

    package struct Versions: Sendable {
        package var recommendedBinary: String?
        package var requiredBinary: String?
        package init() {}
    }
}
