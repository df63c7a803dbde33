import Configuration
import Coordinator
import HTTPCodec
import WebSocketCodec

extension CoordinatorConfiguration {
    /// What the core is told.
    var coordinatorSettings: CoordinatorSettings {
        var settings = CoordinatorSettings()
        settings.softwareVersion = applicationVersion
        settings.pool = poolSettings
        settings.routing.preflightThresholdTokens = routing.preflightThresholdTokens
        settings.routing.preflightTimeout = routing.preflightTimeout
        settings.routing.requestTimeout = routing.requestTimeout
        settings.providerLink.writer.waitingMessageCount = ws.writeBufferSize
        settings.providerLink.writer.writeTimeout = ws.writeTimeout
        settings.providerLink.handshakeTimeout = ws.handshakeTimeout
        settings.providerLink.messageByteCount = ws.maxFrameBytes
        settings.providerLink.unauthenticatedConnectionCount = ws.maxUnauthenticatedConnections
        settings.limits.http.bodyByteCount = limits.maxBodyBytes
        settings.limits.bufferedByteCountPerRequest = limits.maxBufferedBytesPerRequest
        settings.storage.snapshotInterval = storage.snapshotInterval > .zero ? storage.snapshotInterval : nil
        settings.authentication.operatorKey = auth.operatorKey
        settings.authentication.requiresProviderToken = auth.requireProviderToken
        settings.tier2.requiresAttestation = tier2.requireAttestation
        settings.tier2.rekeyAfterRequests = tier2.rekeyAfterRequests
        settings.tier2.rekeyAfter = tier2.rekeyAfter
        settings.versions.recommendedBinary = versions.recommended
        settings.versions.requiredBinary = versions.required
        return settings
    }
}
