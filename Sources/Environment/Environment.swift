package import Primitives

/// All that a core needs of the world. Two drivers give it: libuv and the simulator.
///
/// Everything is called, and calls back, on the one loop that owns the core.
package protocol Environment: AnyObject {
    /// The time at the start of this turn of the loop.
    var now: MonotonicInstant { get }
    /// The calendar time, for logs and for what is shown to people.
    var wallTime: WallTime { get }

    /// Runs `action` at or after `deadline`, once.
    func schedule(at deadline: MonotonicInstant, _ action: @escaping () -> Void) -> TimerID
    /// Harmless for a timer that has fired or was cancelled.
    func cancel(_ timer: TimerID)

    /// Fills `target` from a cryptographic source (in the simulator: from the seed).
    func fillRandom(_ target: UnsafeMutableRawBufferPointer)

    /// Keeps a record for people to read. Never blocks. `fields` is called at most once, before this returns, and not
    /// at all when the record is not kept: below the level, or one of too many.
    func log(_ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields)

    /// Of this loop.
    var statistics: DriverStatistics { get }
    /// Gathered when asked for, at the cost of some system calls and of a look at every open file.
    var processStatistics: ProcessStatistics { get }
}

extension Environment {
    package var statistics: DriverStatistics { DriverStatistics() }
    package var processStatistics: ProcessStatistics { ProcessStatistics() }

    package func log(_ record: LogRecord) { log(record.level, record.event) { record.fields } }

    package func randomID() -> UniqueID {
        let words = randomWords()
        return UniqueID(randomHigh: words.0, randomLow: words.1)
    }

    /// Random too, but sorted by the time of its making: what is indexed by it is appended to, not scattered.
    package func timeOrderedID() -> UniqueID {
        let words = randomWords()
        return UniqueID(time: wallTime, randomHigh: words.0, randomLow: words.1)
    }

    private func randomWords() -> (UInt64, UInt64) {
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { fillRandom($0) }
        return words
    }
}

/// Opens outgoing connections; the agent's side of a driver.
package protocol Dialer: AnyObject {
    /// Resolves, connects (both address families, the quicker one wins) and, with TLS, shakes hands. Exactly one of
    /// `target`'s methods is called, later, on the loop, at the latest when `timeout` has passed.
    func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget)
}

/// Hears how a ``Dialer/dial(_:timeout:target:)`` ended. Kept by the driver until then.
package protocol DialTarget: AnyObject {
    /// The target sets the connection's handler before it returns, or closes it.
    func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf)
    func dialFailed(_ error: DialError)
}

/// Where to connect to.
package struct DialEndpoint: Sendable, Equatable {
    /// A name, or an address without brackets.
    package var host: String
    package var port: UInt16
    package var security: Security

    package enum Security: Sendable, Equatable {
        case plain
        /// Certificate chain checked against the system's trust store, and the host name against the certificate.
        case tls
        /// TLS without any check of who answers. For tests, on request only.
        case tlsUnverified
    }

    package init(host: String, port: UInt16, security: Security) {
        self.host = host
        self.port = port
        self.security = security
    }
}

/// Why an outgoing connection was not made; `message` is fit for a log line.
package enum DialError: Error, Sendable, Equatable {
    case nameNotResolved(message: String)
    case notConnected(message: String)
    case tlsFailed(message: String)
    case timedOut
}
