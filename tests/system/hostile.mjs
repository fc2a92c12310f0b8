export async function hostile () {}
