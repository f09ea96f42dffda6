import Foundation
import Signing
import Testing

@Suite struct DeviceKeyTests {
    static func withFolder(_ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tributary-key-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try body(url.path)
        try FileManager.default.removeItem(at: url)
    }

    @Test func `a new key is kept, for its owner only, and comes back`() throws {
        try DeviceKeyTests.withFolder { folder in
            let made = try DeviceKey.loadOrCreate(folder: folder)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder) == [DeviceKey.fileName])
            let path = "\(folder)/\(DeviceKey.fileName)"
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
            let content = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(try DeviceKey.loadOrCreate(folder: folder).publicKey == made.publicKey)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == content)
            #expect(content.count == 65)
        }
    }

    @Test func `what a power cut left of a key that was being written does no harm`() throws {
        try DeviceKeyTests.withFolder { folder in
            try Data("12".utf8).write(
                to: URL(fileURLWithPath: "\(folder)/\(DeviceKey.fileName).new"))
            _ = try DeviceKey.loadOrCreate(folder: folder)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder) == [DeviceKey.fileName])
        }
    }

    @Test(arguments: [
        "", "zz", String(repeating: "a", count: 63), String(repeating: "a", count: 66),
        String(repeating: "g", count: 64),
    ])
    func `a file that holds no key is an error with its path, and stays as it is`(content: String)
        throws
    {
        try DeviceKeyTests.withFolder { folder in
            let path = "\(folder)/\(DeviceKey.fileName)"
            #expect(
                FileManager.default.createFile(
                    atPath: path, contents: Data(content.utf8),
                    attributes: [.posixPermissions: 0o600]))
            #expect { try DeviceKey.loadOrCreate(folder: folder) } throws: { error in
                "\(error)".contains(path) && "\(error)".contains("64 hex digits")
            }
            let after = try Data(contentsOf: URL(fileURLWithPath: path))
            #expect(after == Data(content.utf8))
        }
    }

    @Test func `a key that others can read is refused`() throws {
        try DeviceKeyTests.withFolder { folder in
            _ = try DeviceKey.loadOrCreate(folder: folder)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: "\(folder)/\(DeviceKey.fileName)")
            #expect { try DeviceKey.loadOrCreate(folder: folder) } throws: { error in
                "\(error)".contains("mode 644")
            }
        }
    }

    @Test func `without the folder there is no key`() {
        #expect(throws: DeviceKey.Failure.self) {
            try DeviceKey.loadOrCreate(folder: "/proc/tributary")
        }
    }
}
