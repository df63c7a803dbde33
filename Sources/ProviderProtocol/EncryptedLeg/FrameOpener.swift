import Crypto
import Primitives

/// Takes the frames of one direction, under one key, each once.
package struct FrameOpener: ~Copyable {
    private var cipher: AESGCMOpener
    private var nonce: FrameNonce
    private let keyID: [UInt8]
    private var window = ReplayWindow()

    /// 12 bytes make 16 digits, 16 bytes make 22.
    private static let tagDigitCount = 22

    init(key: borrowing SecretKey, nonceBase: [UInt8], keyID: String) throws(LegError) {
        do throws(CryptoError) { cipher = try AESGCMOpener(key: key) } catch { throw LegError(error) }
        nonce = FrameNonce(base: nonceBase)
        self.keyID = Array(keyID.utf8)
    }

    /// The lowest number that has not come yet.
    package var lowestMissingSeq: Int { window.lowestMissing }

    /// Leaves the content of `frame` in `content`, which is overwritten. A frame that is refused changes nothing.
    mutating func open(
        _ frame: EncryptedEnvelope, _ additionalData: borrowing AdditionalData, into content: inout ByteQueue
    ) throws(LegError) {
        guard frame.alg == AEADSuite.name else { throw .wrongAlgorithm }
        guard withByteView(keyID, { $0 == frame.kid }) else { throw .wrongKeyID }
        guard frame.seq < Int.max else { throw .exhausted }
        switch window.verdict(on: frame.seq) {
        case .fresh: break
        case .replayed: throw .replayed
        case .tooFarAhead: throw .tooFarAhead
        }
        nonce.set(frame.seq)
        guard isOwnNonce(frame.nonce) else { throw .wrongNonce }
        let ending = additionalData.ending(seq: frame.seq)
        guard additionalData.matches(frame.aad, ending) else { throw .wrongAdditionalData }

        content.consume(content.count)
        guard frame.tag.count == Self.tagDigitCount, Base64.url.decode(frame.ciphertext, into: &content) else {
            throw .malformed
        }
        let byteCount = content.count
        guard Base64.url.decode(frame.tag, into: &content), let bytes = content.mutableView else { throw .malformed }
        var tag = AESGCM.Tag(repeating: 0)
        for index in 0..<AESGCM.tagByteCount { tag[index] = bytes[byteCount + index] }
        let isAuthentic = additionalData.withPieces(ending) { first, second in
            cipher.open(bytes.prefix(byteCount), nonce: nonce.bytes, tag: tag, additionalData: first, second)
        }
        guard isAuthentic else { throw .notAuthentic }
        content.truncate(to: byteCount)
        window.accepted(frame.seq)
    }

    private func isOwnNonce(_ text: ByteView) -> Bool {
        guard text.count == Base64.digitCount(of: AESGCM.nonceByteCount) else { return false }
        var digits = InlineArray<16, UInt8>(repeating: 0)
        return withUnsafeBytes(of: nonce.bytes) { bytes in
            withUnsafeMutableBytes(of: &digits) { digits in
                let target = digits.baseAddress!.assumingMemoryBound(to: UInt8.self)
                let count = Base64.url.encode(ByteView(bytes), to: target)
                return text == ByteView(base: target, count: count)
            }
        }
    }
}
