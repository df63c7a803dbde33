/// A borrowed run of bytes that somebody else owns.
///
/// Valid only during the call that hands it over: copy (``array``, ``ByteQueue/append(_:)``) what must live longer.
/// Every access is bounds-checked in release builds too: an index that a peer could choose ends in a trap in tests,
/// never in a read of foreign memory.
public struct ByteView {
    public let base: UnsafePointer<UInt8>
    public let count: Int

    @inline(__always) public init(base: UnsafePointer<UInt8>, count: Int) {
        self.base = base
        self.count = count
    }

    public init(_ buffer: UnsafeRawBufferPointer) {
        if let address = buffer.baseAddress {
            self.init(base: address.assumingMemoryBound(to: UInt8.self), count: buffer.count)
        } else {
            self = .empty
        }
    }

    /// A view of a literal: lives for ever.
    @inline(__always) public init(_ literal: StaticString) {
        self.init(base: literal.utf8Start, count: literal.utf8CodeUnitCount)
    }

    @inline(__always) public static var empty: ByteView { ByteView("") }

    @inline(__always) public var isEmpty: Bool { count == 0 }

    @inline(__always) public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index outside the view")
        return base[index]
    }

    @inline(__always) public subscript(range: Range<Int>) -> ByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
        return ByteView(base: base + range.lowerBound, count: range.count)
    }

    @inline(__always) public func prefix(_ length: Int) -> ByteView { self[0..<min(max(length, 0), count)] }
    @inline(__always) public func dropFirst(_ length: Int) -> ByteView { self[min(max(length, 0), count)..<count] }

    public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// A copy. O(n).
    public var array: [UInt8] { Array(buffer) }

    /// A copy as text; bytes that are not UTF-8 become U+FFFD. For cold paths and logs.
    public var string: String { String(decoding: buffer, as: UTF8.self) }

    /// The offset of the first `byte` at or after `start`. O(n).
    public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count else { return nil }
        guard let hit = memoryFind(base + start, byte, count - start) else { return nil }
        return hit - base
    }

    @inline(__always) public static func == (left: ByteView, right: ByteView) -> Bool {
        left.count == right.count && memoryEqual(left.base, right.base, left.count)
    }

    @inline(__always) public static func == (left: ByteView, right: StaticString) -> Bool { left == ByteView(right) }

    /// Compares without regard to the case of ASCII letters, as HTTP field names and tokens ask (RFC 9110 5.1).
    public func equalsIgnoringCase(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where asciiLowercased(base[index]) != asciiLowercased(other.base[index]) { return false }
        return true
    }

    public func equalsIgnoringCase(_ literal: StaticString) -> Bool { equalsIgnoringCase(ByteView(literal)) }

    @inline(__always) public func hasPrefix(_ literal: StaticString) -> Bool {
        prefix(literal.utf8CodeUnitCount) == ByteView(literal)
    }
}

extension ByteView: Equatable {}

@available(*, unavailable) extension ByteView: Sendable {}

/// A borrowed run of bytes that may be changed in place (unmasking). Same lifetime rule as ``ByteView``.
public struct MutableByteView {
    public let base: UnsafeMutablePointer<UInt8>
    public let count: Int

    @inline(__always) public init(base: UnsafeMutablePointer<UInt8>, count: Int) {
        self.base = base
        self.count = count
    }

    @inline(__always) public var isEmpty: Bool { count == 0 }

    @inline(__always) public subscript(index: Int) -> UInt8 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index outside the view")
        return base[index]
    }

    @inline(__always) public subscript(range: Range<Int>) -> MutableByteView {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the view")
        return MutableByteView(base: base + range.lowerBound, count: range.count)
    }

    @inline(__always) public func prefix(_ length: Int) -> MutableByteView { self[0..<min(max(length, 0), count)] }
    @inline(__always) public func dropFirst(_ length: Int) -> MutableByteView {
        self[min(max(length, 0), count)..<count]
    }

    @inline(__always) public var readOnly: ByteView { ByteView(base: base, count: count) }
}

@available(*, unavailable) extension MutableByteView: Sendable {}

@inline(__always) public func asciiLowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
}

/// Lends the bytes of `array` for the duration of `body`.
public func withByteView<Result: ~Copyable, Failure: Error>(
    _ array: [UInt8], _ body: (ByteView) throws(Failure) -> Result
) throws(Failure) -> Result {
    try array.span.withUnsafeBytes { bytes throws(Failure) in try body(ByteView(bytes)) }
}

/// Lends the UTF-8 bytes of `text` for the duration of `body`.
public func withByteView<Result>(_ text: String, _ body: (ByteView) throws -> Result) rethrows -> Result {
    var text = text
    return try text.withUTF8 { try body(ByteView(UnsafeRawBufferPointer($0))) }
}
