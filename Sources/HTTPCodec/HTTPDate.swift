package import Primitives

/// A time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110 section 5.6.7).
///
/// A value of 29 bytes. It holds for one second, so a caller keeps it and asks ``isCurrent(at:)``.
package struct HTTPDate: Sendable {
    package static let byteCount = 29

    private var text: InlineArray<29, UInt8>
    private let unixSeconds: Int64

    /// The last second of the year 9999; the format has no room for more.
    private static let last: Int64 = 253_402_300_799

    /// Times outside the years 1970 to 9999 become the nearest one inside.
    package init(_ time: WallTime) {
        let seconds = min(max(time.unixSeconds, 0), Self.last)
        unixSeconds = time.unixSeconds
        text = InlineArray(repeating: 0x20)
        let days = Int(seconds / 86_400)
        let secondOfDay = Int(seconds % 86_400)
        let (year, month, day) = WallTime.civil(fromDays: days)
        // 1970-01-01 was a Thursday.
        put("SunMonTueWedThuFriSat", at: 3 * ((days + 4) % 7), to: 0)
        text[3] = 0x2C
        put(twoDigits: day, to: 5)
        put("JanFebMarAprMayJunJulAugSepOctNovDec", at: 3 * (month - 1), to: 8)
        put(twoDigits: year / 100, to: 12)
        put(twoDigits: year % 100, to: 14)
        put(twoDigits: secondOfDay / 3600, to: 17)
        put(twoDigits: secondOfDay / 60 % 60, to: 20)
        put(twoDigits: secondOfDay % 60, to: 23)
        text[19] = 0x3A
        text[22] = 0x3A
        put("GMT", at: 0, to: 26)
    }

    private mutating func put(_ names: StaticString, at offset: Int, to target: Int) {
        let name = ByteView(names)[offset..<offset + 3]
        for index in 0..<3 { text[target + index] = name[index] }
    }

    private mutating func put(twoDigits number: Int, to target: Int) {
        text[target] = 0x30 + UInt8(truncatingIfNeeded: number / 10 % 10)
        text[target + 1] = 0x30 + UInt8(truncatingIfNeeded: number % 10)
    }

    /// Whether a date made now would read the same.
    @inline(__always) package func isCurrent(at time: WallTime) -> Bool { unixSeconds == time.unixSeconds }

    package func append(to queue: inout ByteQueue) {
        withUnsafeBytes(of: text) { queue.append(ByteView($0)) }
    }

    package var string: String { withUnsafeBytes(of: text) { ByteView($0).string } }
}
