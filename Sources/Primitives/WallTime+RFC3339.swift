extension WallTime {
    /// `2026-01-31T09:15:00.123Z`: RFC 3339 in UTC with milliseconds. The years that a wall time can hold have four digits.
    public var rfc3339: String {
        let seconds = unixSeconds
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let secondOfDay = Int(seconds - days * 86_400)
        let (year, month, day) = Self.civil(fromDays: Int(days))
        let remainder = nanoseconds % 1_000_000_000
        let millisecond = Int(remainder < 0 ? remainder + 1_000_000_000 : remainder) / 1_000_000
        // Each request is recorded with one: written in place, not put together from twelve strings.
        return String(unsafeUninitializedCapacity: 24) { text in
            var end = 0
            func put(_ number: Int, width: Int, _ separator: UInt8) {
                var rest = number
                for position in (end..<end + width).reversed() {
                    text[position] = 0x30 + UInt8(rest % 10)
                    rest /= 10
                }
                text[end + width] = separator
                end += width + 1
            }
            put(year, width: 4, UInt8(ascii: "-"))
            put(month, width: 2, UInt8(ascii: "-"))
            put(day, width: 2, UInt8(ascii: "T"))
            put(secondOfDay / 3600, width: 2, UInt8(ascii: ":"))
            put(secondOfDay / 60 % 60, width: 2, UInt8(ascii: ":"))
            put(secondOfDay % 60, width: 2, UInt8(ascii: "."))
            put(millisecond, width: 3, UInt8(ascii: "Z"))
            return end
        }
    }

    /// The Gregorian date `days` after 1970-01-01, counted in eras of 400 years that begin on 1 March.
    public static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
