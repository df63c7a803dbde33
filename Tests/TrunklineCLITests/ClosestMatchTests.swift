import Testing

@testable import trunkline

@Suite struct ClosestMatchTests {
    @Test(arguments: [
        ("", "", 0), ("a", "", 1), ("", "abc", 3), ("serve", "serve", 0), ("serev", "serve", 1), ("chta", "chat", 1),
        ("demo", "memo", 1), ("provide", "provider", 1), ("kitten", "sitting", 3),
    ])
    func distances(_ left: String, _ right: String, _ expected: Int) {
        #expect(editDistance(left, right) == expected)
        #expect(editDistance(right, left) == expected)
    }

    @Test(arguments: [
        ("serv", "serve"), ("servre", "serve"), ("pro", "provide"), ("chat", "chat"), ("xyzzy", nil), ("", nil),
        (String(repeating: "serve", count: 100), nil),
    ])
    func matches(_ word: String, _ expected: String?) {
        #expect(closestMatch(to: word, among: ["serve", "provide", "chat"]) == expected)
    }
}
