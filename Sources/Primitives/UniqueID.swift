/// 128 bits that name a session, a request or an attempt; written as a UUID (RFC 9562).
public struct UniqueID: Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 UUID out of 128 random bits.
    public init(randomHigh: UInt64, randomLow: UInt64) {
        high = randomHigh & ~0xF000 | 0x4000
        low = randomLow & ~(0xC000 << 48) | 0x8000 << 48
    }

    /// A version 7 UUID: 48 bits of time before 74 random ones, so that ids sort by when they were made.
    public init(time: WallTime, randomHigh: UInt64, randomLow: UInt64) {
        let milliseconds = UInt64(max(time.nanoseconds, 0)) / 1_000_000
        high = milliseconds << 16 | 0x7000 | randomHigh & 0xFFF
        low = randomLow & ~(0xC000 << 48) | 0x8000 << 48
    }

    public static let textByteCount = 36

    /// Reads the 36-byte form; upper-case digits are accepted.
    public init?(_ text: ByteView) {
        guard text.count == Self.textByteCount, text[8] == 0x2D, text[13] == 0x2D, text[18] == 0x2D, text[23] == 0x2D
        else { return nil }
        let base = UnsafeRawPointer(text.base)
        func half(_ offset: Int) -> UInt64 { UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
        let first = hexadecimalValue(UInt64(littleEndian: base.loadUnaligned(as: UInt64.self)))
        let second = hexadecimalValue(UInt64(littleEndian: half(9) | half(14) << 32))
        let third = hexadecimalValue(UInt64(littleEndian: half(19) | half(24) << 32))
        let fourth = hexadecimalValue(
            UInt64(littleEndian: base.loadUnaligned(fromByteOffset: 28, as: UInt64.self)))
        guard let first, let second, let third, let fourth else { return nil }
        self.init(high: first << 32 | second, low: third << 32 | fourth)
    }

    public var text: String { text(after: "") }

    /// `prefix` and the 36 digits, in one allocation.
    public func text(after prefix: StaticString) -> String {
        let prefixByteCount = prefix.utf8CodeUnitCount
        return String(unsafeUninitializedCapacity: prefixByteCount + Self.textByteCount) { target in
            guard let base = target.baseAddress else { return 0 }
            base.initialize(from: prefix.utf8Start, count: prefixByteCount)
            write(to: UnsafeMutableRawPointer(base + prefixByteCount))
            return prefixByteCount + Self.textByteCount
        }
    }

    public func append(to queue: inout ByteQueue) {
        write(to: UnsafeMutableRawPointer(queue.reserve(Self.textByteCount)))
        queue.commit(Self.textByteCount)
    }

    /// Fills ``textByteCount`` bytes.
    private func write(to target: UnsafeMutableRawPointer) {
        func put(_ digits: UInt64, _ offset: Int) {
            target.storeBytes(of: digits.littleEndian, toByteOffset: offset, as: UInt64.self)
        }
        func put(half digits: UInt64, _ offset: Int) {
            target.storeBytes(
                of: UInt32(truncatingIfNeeded: digits).littleEndian, toByteOffset: offset, as: UInt32.self)
        }
        let second = hexadecimalDigits(high)
        let third = hexadecimalDigits(low >> 32)
        put(hexadecimalDigits(high >> 32), 0)
        put(half: second, 9)
        put(half: second >> 32, 14)
        put(half: third, 19)
        put(half: third >> 32, 24)
        put(hexadecimalDigits(low), 28)
        for offset in [8, 13, 18, 23] { target.storeBytes(of: 0x2D, toByteOffset: offset, as: UInt8.self) }
    }
}

/// Eight digits at once, the first one in the lowest byte; nil if one of them is none. A request id is read for every
/// chunk, so this is worth its obscurity.
@inline(__always) private func hexadecimalValue(_ text: UInt64) -> UInt64? {
    func everyByte(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }
    let upperBits = everyByte(0x80)
    guard text & upperBits == 0 else { return nil }
    let lowercased = text | everyByte(0x20)
    // Each sum sets the upper bit of the bytes that are at least the bound; none carries into the next byte.
    let isDigit = (text &+ everyByte(0x80 - 0x30)) & ~(text &+ everyByte(0x80 - 0x3A))
    let isLetter = (lowercased &+ everyByte(0x80 - 0x61)) & ~(lowercased &+ everyByte(0x80 - 0x67)) & upperBits
    guard (isDigit | isLetter) & upperBits == upperBits else { return nil }
    let nibbles = (text & everyByte(0x0F)) &+ (isLetter >> 7) &* 9
    let bytes = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF
    let pairs = (bytes << 8 | bytes >> 16) & 0x0000_FFFF_0000_FFFF
    return (pairs << 16 | pairs >> 32) & 0xFFFF_FFFF
}

/// The opposite, for the lower 32 bits of `number`.
@inline(__always) private func hexadecimalDigits(_ number: UInt64) -> UInt64 {
    let value = number & 0xFFFF_FFFF
    let pairs = (value >> 16 | value << 32) & 0x0000_FFFF_0000_FFFF
    let bytes = (pairs >> 8 | pairs << 16) & 0x00FF_00FF_00FF_00FF
    let nibbles = (bytes >> 4 | bytes << 8) & 0x0F0F_0F0F_0F0F_0F0F
    let isLetter = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return nibbles &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27
}

@inline(__always) public func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}
