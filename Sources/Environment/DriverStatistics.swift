package import Primitives

/// What a driver counts about itself and its process, for the metrics page.
package struct DriverStatistics: Sendable {
    package var connectionsAccepted: UInt64 = 0
    /// Over the connection limit, or for lack of descriptors.
    package var connectionsRefused: UInt64 = 0
    package var connectionsOpen = 0
    package var bytesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0
    /// Batches that the socket did not take at once.
    package var writesDelayed: UInt64 = 0
    /// From the moment the loop woke to the moment all its output had been handed over: an upper bound of what the
    /// coordinator itself adds to a chunk, and the lag of everything that waited meanwhile.
    package var turnSeconds = Histogram(bounds: Histogram.overheadSeconds)

    package init() {}
}

/// The process as the system sees it, and what all its shards share.
package struct ProcessStatistics: Sendable {
    package var logRecordsDropped: UInt64 = 0
    package var residentByteCount = 0
    package var virtualByteCount = 0
    /// User and system time.
    package var cpuSeconds = 0.0
    package var openFiles = 0
    package var openFilesLimit = 0
    /// Seconds since 1970.
    package var startTimeSeconds = 0.0

    package init() {}
}
