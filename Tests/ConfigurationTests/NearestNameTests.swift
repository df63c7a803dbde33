import Testing

@testable import Configuration

@Suite struct NearestNameTests {
    @Test(arguments: [
        ("serv", "serve"), ("servre", "serve"), ("esrve", "serve"), ("Chat", "chat"), ("provider", "provide"),
        ("xyzzy", nil), ("", nil), (String(repeating: "serve", count: 100), nil),
    ])
    func findsWhatWasMeant(_ name: String, _ expected: String?) {
        #expect(NearestName.of(name, among: ["serve", "provide", "chat"]) == expected)
    }

    @Test func theFirstOfEquallyNearOnesWins() {
        #expect(NearestName.of("b_key", among: ["a_key", "c_key"]) == "a_key")
    }
}
