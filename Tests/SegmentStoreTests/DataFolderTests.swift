import Foundation
import SegmentStore
import Testing

@Suite struct DataFolderTests {
    @Test func `a folder is made for its owner only, with all that leads to it`() throws {
        let scratch = try ScratchFolder()
        let folder = try DataFolder(path: "\(scratch.path)/a/b")
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o700)
        let lock = try String(contentsOfFile: folder.file(DataFolder.lockName), encoding: .utf8)
        #expect(lock == "\(ProcessInfo.processInfo.processIdentifier)\n")
    }

    @Test func `a folder in use says by which process, and is free once that is done`() throws {
        let scratch = try ScratchFolder()
        do {
            let folder = try DataFolder(path: scratch.path)
            #expect(try DataFolder.isHeld(folder.path))
            #expect { try DataFolder(path: scratch.path) } throws: { error in
                "\(error)"
                    == "\(scratch.path) is in use by process \(ProcessInfo.processInfo.processIdentifier)"
            }
            withExtendedLifetime(folder) {}
        }
        #expect(try !DataFolder.isHeld(scratch.path))
        _ = try DataFolder(path: scratch.path)
    }

    @Test
    func
        `another process that holds the folder is named, also when its lock file is older than it`()
        throws
    {
        let scratch = try ScratchFolder()
        let lock = "\(scratch.path)/\(DataFolder.lockName)"
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/bin/sh")
        // The shell takes the lock on its own descriptor, writes its number, says so, and waits for
        // our word.
        other.arguments = [
            "-c",
            "exec 9>>'\(lock)'; flock -n 9 || exit 3; echo $$ > '\(lock)'; echo locked; read word",
        ]
        let input = Pipe()
        let output = Pipe()
        other.standardInput = input
        other.standardOutput = output
        try other.run()
        #expect(
            String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "locked\n"
        )
        #expect { try DataFolder(path: scratch.path) } throws: { error in
            guard case StoreError.inUse(let processID, let folder) = error else { return false }
            return processID == other.processIdentifier && folder == scratch.path
        }
        try input.fileHandleForWriting.close()
        other.waitUntilExit()
        _ = try DataFolder(path: scratch.path)
    }

    @Test func `what is no folder, and what may not be used, is said plainly`() throws {
        let scratch = try ScratchFolder()
        let file = "\(scratch.path)/file"
        try Data().write(to: URL(fileURLWithPath: file))
        for path in [file, "\(file)/below"] {
            #expect { try DataFolder(path: path) } throws: { error in
                if case StoreError.notAFolder = error { true } else { false }
            }
        }
        #expect { try DataFolder(path: "/proc/tributary") } throws: { error in error is StoreError }
    }
}
