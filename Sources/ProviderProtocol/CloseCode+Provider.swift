package import WebSocketCodec

/// The codes of a provider session (docs/protocol.md section 2.3). 4002 is retired and never sent.
extension CloseCode {
    package static let unrecognizedAuthMessage = CloseCode(rawValue: 4000)
    package static let invalidHello = CloseCode(rawValue: 4001)
    package static let tierUnsupported = CloseCode(rawValue: 4003)
    package static let versionUnsupported = CloseCode(rawValue: 4004)
    package static let invalidToken = CloseCode(rawValue: 4005)
    package static let provisionalPoolFull = CloseCode(rawValue: 4007)
    package static let provisionalRateLimited = CloseCode(rawValue: 4008)
    package static let banned = CloseCode(rawValue: 4009)
    package static let attestationFailed = CloseCode(rawValue: 4012)
    package static let keyExchangeFailed = CloseCode(rawValue: 4013)
    package static let poolFull = CloseCode(rawValue: 4429)
}
