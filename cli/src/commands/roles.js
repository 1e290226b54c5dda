
const admin = db.getSiblingDB("admin");
for (const { createRole, privileges, roles } of commands) {
  const exists = admin.getRole(createRole) !== null;
  if (exists) {
    admin.updateRole(createRole, { privileges, roles });
  } else {
    admin.createRole({ role: createRole, privileges, roles });
  }
  print(`${exists ? "updated" : "created"} the role ${createRole}`);
}
