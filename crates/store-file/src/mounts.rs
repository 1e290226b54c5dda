//! Finds the kind of file system of a folder in the kernel's mount table. Unlike the numbers of `statfs`, the table has
//! well-known names, and distinguishes `fuse.sshfs` from a local file system in user space.

use std::path::Path;

use crate::fs::FsKind;

/// File systems that other machines write to as well. Their caches break rules 3, 4 and 7, which need that a list after
/// a write is current.
const NETWORK: &[&str] = &[
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "coda",
    "ceph",
    "lustre",
    "beegfs",
    "gpfs",
    "9p",
    "vboxsf",
    "prl_fs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "fuse.gcsfuse",
    "fuse.goofys",
    "fuse.geesefs",
    "fuse.mount-s3",
    "fuse.blobfuse2",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.ceph-fuse",
    "fuse.juicefs",
    "fuse.seaweedfs",
    "fuse.davfs",
    "fuse.vmhgfs-fuse",
];

/// Returns the kind of file system that `path` is on. `path` is absolute and has no symbolic links; `table` is the text
/// of `/proc/self/mountinfo`. Without an entry for the path it counts as local: the link itself decides then.
pub fn fs_kind_from_mounts(table: &str, path: &Path) -> FsKind {
    let mut nearest: Option<(usize, &str)> = None;
    for line in table.lines() {
        // 36 35 98:0 / /mnt rw,noatime shared:1 - ext3 /dev/root rw
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(name)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = unescape(point);
        // Of two mounts on one point, the later one hides the earlier one.
        if path.starts_with(&point) && nearest.is_none_or(|(length, _)| point.len() >= length) {
            nearest = Some((point.len(), name));
        }
    }
    match nearest {
        Some((_, name)) if NETWORK.contains(&name) => FsKind::Network(name.to_owned()),
        _ => FsKind::Local,
    }
}

/// The kernel writes space, tab, newline and backslash in octal.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
30 22 0:25 / /home rw shared:3 - nfs4 server:/home rw
31 30 0:26 / /home/ann/my\\040disk rw - xfs /dev/sdb rw
32 22 0:27 / /mnt/b rw - fuse.sshfs ann@b: rw
33 22 0:28 / /over rw - nfs server:/x rw
34 33 0:29 / /over rw - tmpfs tmpfs rw
";

    #[test]
    fn the_nearest_mount_names_the_kind() {
        let kind = |path: &str| fs_kind_from_mounts(TABLE, Path::new(path));
        assert_eq!(kind("/srv/store"), FsKind::Local);
        assert_eq!(kind("/home/ann/store"), FsKind::Network("nfs4".into()));
        assert_eq!(kind("/home/ann/my disk/store"), FsKind::Local);
        assert_eq!(kind("/homestead"), FsKind::Local, "a prefix of the text is not a folder above");
        assert_eq!(kind("/mnt/b/c"), FsKind::Network("fuse.sshfs".into()));
        assert_eq!(kind("/over/x"), FsKind::Local, "the later mount hides the earlier");
    }
}
