import Testing

@testable import Transport

@Suite struct RandomReserveTests {
    @Test func givesNothingTwice() {
        var reserve = RandomReserve()
        var seen: Set<[UInt8]> = []
        // Several fillings of the reserve, in sizes that do not divide it, and such as are never taken from it.
        for round in 0..<1_000 {
            let byteCount = [8, 16, 13, 32, 4096][round % 5]
            var bytes = [UInt8](repeating: 0, count: byteCount)
            bytes.withUnsafeMutableBytes { reserve.fill($0) }
            let isNew = seen.insert(Array(bytes.prefix(8))).inserted
            #expect(isNew)
            #expect(bytes.contains { $0 != 0 })
        }
    }

    @Test func takesNothing() {
        var reserve = RandomReserve()
        reserve.fill(UnsafeMutableRawBufferPointer(start: nil, count: 0))
    }
}
