import Crypto
import Primitives

/// Makes the frames of one direction, under one key, each with the next number.
package struct FrameSealer: ~Copyable {
    private var cipher: AESGCMSealer
    private var nonce: FrameNonce
    private let keyID: String
    /// No number is used twice, whatever became of its frame.
    package private(set) var nextSeq = 0

    init(key: borrowing SecretKey, nonceBase: [UInt8], keyID: String) throws(LegError) {
        do throws(CryptoError) { cipher = try AESGCMSealer(key: key) } catch { throw LegError(error) }
        nonce = FrameNonce(base: nonceBase)
        self.keyID = keyID
    }

    /// Seals `content`, where it stands, and appends the object that `enc` holds. `content` holds ciphertext afterwards.
    mutating func seal(
        _ content: inout ByteQueue, _ additionalData: borrowing AdditionalData, into queue: inout ByteQueue
    ) throws(LegError) {
        let seq = nextSeq
        guard seq < Int.max else { throw .exhausted }
        nextSeq += 1
        nonce.set(seq)
        let ending = additionalData.ending(seq: seq)
        let message = content.mutableView ?? MutableByteView(base: content.reserve(0), count: 0)
        let tag: AESGCM.Tag
        do throws(CryptoError) {
            tag = try additionalData.withPieces(ending) { first, second throws(CryptoError) in
                try cipher.seal(message, nonce: nonce.bytes, additionalData: first, second)
            }
        } catch {
            throw LegError(error)
        }
        // In one piece, so that a long content does not grow the queue step by step.
        _ = queue.reserve(192 + additionalData.textByteCount(ending) + Base64.digitCount(of: content.count))
        queue.append("{\"alg\":\"A256GCM\",\"seq\":")
        queue.append(decimal: seq)
        queue.append(",\"nonce\":\"")
        withUnsafeBytes(of: nonce.bytes) { Base64.url.encode(ByteView($0), into: &queue) }
        queue.append("\",\"aad\":\"")
        additionalData.append(ending, to: &queue)
        queue.append("\",\"ciphertext\":\"")
        Base64.url.encode(content.view, into: &queue)
        queue.append("\",\"tag\":\"")
        withUnsafeBytes(of: tag) { Base64.url.encode(ByteView($0), into: &queue) }
        queue.append("\",\"kid\":\"")
        queue.append(keyID)
        queue.append("\"}")
    }
}

/// Four bytes of the key derivation and the number, big-endian.
struct FrameNonce {
    private(set) var bytes = AESGCM.Nonce(repeating: 0)

    init(base: [UInt8]) {
        for index in 0..<LegKeys.nonceBaseByteCount { bytes[index] = base[index] }
    }

    @inline(__always) mutating func set(_ seq: Int) {
        for index in 0..<8 { bytes[4 + index] = UInt8(truncatingIfNeeded: seq >> (56 - 8 * index)) }
    }
}
